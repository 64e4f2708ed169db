"""Which sinks there are: what the service's environment says of them, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from lakehold.errors import ConfigError

OPENLINEAGE_URL = "LAKEHOLD_LINEAGE_OPENLINEAGE_URL"
OPENLINEAGE_TOKEN = "LAKEHOLD_LINEAGE_OPENLINEAGE_TOKEN"  # noqa: S105 - the variable's name, not a token
OPENMETADATA_URL = "LAKEHOLD_LINEAGE_OPENMETADATA_URL"
OPENMETADATA_TOKEN = "LAKEHOLD_LINEAGE_OPENMETADATA_TOKEN"  # noqa: S105 - the variable's name, not a token
OPENMETADATA_SERVICE = "LAKEHOLD_LINEAGE_OPENMETADATA_SERVICE"
AIRFLOW_URL = "LAKEHOLD_LINEAGE_AIRFLOW_URL"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address and the bearer token it wants (empty: none)."""

    url: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """An OpenMetadata and the names of what we publish there."""

    endpoint: Endpoint
    """Base address, without ``/api``, and a bot's token."""
    service: str = "lakehold"
    """The database service that holds the Iceberg catalog; the pipeline and storage services are named after it."""
    airflow_url: str = ""
    """Where people open Airflow, for links; empty: no links."""


@dataclass(frozen=True, kw_only=True)
class SinkOptions:
    """The sinks of an installation; ``None`` where there is none."""

    openlineage: Endpoint | None = None
    openmetadata: Catalog | None = None


def load(environment: Mapping[str, str]) -> SinkOptions:
    """Read the environment; :class:`ConfigError` names the variable that is wrong."""
    catalog = _endpoint(environment, OPENMETADATA_URL, OPENMETADATA_TOKEN)
    if catalog is not None and not catalog.token:
        raise ConfigError(
            f"{OPENMETADATA_URL} is set, {OPENMETADATA_TOKEN} is not.",
            why="OpenMetadata takes nothing from somebody it does not know",
            remedy="put a bot's token into a file (0600) and name it as openmetadata.token_file in lakehold.toml",
        )
    return SinkOptions(
        openlineage=_endpoint(environment, OPENLINEAGE_URL, OPENLINEAGE_TOKEN),
        openmetadata=None
        if catalog is None
        else Catalog(
            endpoint=catalog,
            service=environment.get(OPENMETADATA_SERVICE) or Catalog.service,
            airflow_url=environment.get(AIRFLOW_URL, "").rstrip("/"),
        ),
    )


def _endpoint(environment: Mapping[str, str], url_name: str, token_name: str) -> Endpoint | None:
    url = environment.get(url_name, "").strip()
    if not url:
        return None
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as problem:
        raise ConfigError(f"{url_name} is no address: {url!r}.", why=str(problem)) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError(f"{url_name} is no address: {url!r}.", remedy="begin it with http:// or https://")
    if parsed.userinfo:
        raise ConfigError(
            f"{url_name} holds a user or password.", why="addresses are shown and logged", remedy="use a token file"
        )
    return Endpoint(url=url.rstrip("/"), token=environment.get(token_name, "").strip())
