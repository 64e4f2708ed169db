"""How a task tells what it starts who started it, so that lineage has one chain from the DAG run down to the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehold.config.ancestry import Ancestor, Ancestry


def ancestry(context: Mapping[str, Any]) -> Ancestry:
    """Return this task and its DAG run, as the OpenLineage provider reports them."""
    from airflow.providers.openlineage.plugins import macros

    ti = context["ti"]
    return Ancestry(
        task=Ancestor.read(macros.lineage_parent_id(ti)), root=Ancestor.read(macros.lineage_root_parent_id(ti))
    )
