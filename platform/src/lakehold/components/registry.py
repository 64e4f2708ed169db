"""All components of the platform, in the order they are shown and, as far as ``needs`` leaves it open, started."""

from __future__ import annotations

from lakehold.components.airflow import AIRFLOW
from lakehold.components.lineage import LINEAGE
from lakehold.components.model import Component
from lakehold.components.objectstore import OBJECTSTORE
from lakehold.components.openmetadata import OPENMETADATA
from lakehold.components.postgres import POSTGRES
from lakehold.components.spark import SPARK
from lakehold.components.trino import TRINO
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError

COMPONENTS: tuple[Component, ...] = (POSTGRES, OBJECTSTORE, LINEAGE, TRINO, SPARK, AIRFLOW)
"""Every component that is always there."""

EVERY = (*COMPONENTS, OPENMETADATA)
"""With those that some settings bring."""


def components_of(settings: Settings) -> tuple[Component, ...]:
    """Return every component of an installation with these settings."""
    return EVERY if settings.openmetadata.home else COMPONENTS


def component(name: str) -> Component:
    """The component of this name; :class:`ConfigError` when there is none."""
    for candidate in COMPONENTS:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in COMPONENTS)
    raise ConfigError(f'There is no component "{name}".', why=f"the components are: {known}", remedy="lakehold status")
