"""How a task tells what it starts who started it, so that lineage has one chain from the DAG run down to the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parents(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return ``namespace/job/run`` of this task and of its DAG run, as the OpenLineage provider reports them."""
    from airflow.providers.openlineage.plugins import macros

    return macros.lineage_parent_id(context["ti"]), macros.lineage_root_parent_id(context["ti"])


def parent_conf(task: str, root: str) -> dict[str, str]:
    """Return the Spark properties that tell OpenLineage which task (``namespace/job/run``) started the application."""
    properties = {}
    for prefix, identifier in (("parent", task), ("rootParent", root)):
        namespace, job, run = identifier.split("/")
        properties[f"spark.openlineage.{prefix}JobNamespace"] = namespace
        properties[f"spark.openlineage.{prefix}JobName"] = job
        properties[f"spark.openlineage.{prefix}RunId"] = run
    return properties
