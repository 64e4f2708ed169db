"""Which lasting job a run belongs to: an Airflow task, a dbt model, a Spark application, or a person."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from lakehold.lineage.columns import facets
from lakehold.lineage.event import Name, storable
from lakehold.lineage.graph.merge import at, facet

Kind = Literal["task", "model", "spark", "query", "person"]

_DBT_COMMENT = re.compile(r"\s*/\*\s*(\{.*?\})\s*\*/", re.DOTALL)
_MODELS = ("model.", "snapshot.", "seed.")

ADDS_ONLY: frozenset[Kind] = frozenset({"person"})
"""Whose statements have nothing to do with each other, so that one says nothing about what an earlier one read."""


@dataclass(frozen=True, slots=True)
class Process:
    """What makes edges and keeps its name from run to run."""

    namespace: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Belongs:
    """A run's process, and the run of that process it is part of."""

    process: Process
    run: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is known of a run before its process is."""

    run_id: UUID
    job: Name
    parent_run_id: UUID | None
    parent_job: Name | None


def belongs(run: Run, merged: Mapping[str, Any], parent: Belongs | None) -> Belongs | None:
    """Return what a run belongs to, given what its parent does; None for one that is no work by itself.

    An Airflow task is a process; what it starts is part of it, but each dbt model is one of its own. Statements that
    nobody started belong to the person who wrote them.
    """
    integration, kind = _job_type(merged)
    if integration == "AIRFLOW":
        return Belongs(Process(*run.job, "task"), run.run_id) if kind == "TASK" else None
    above = parent or _named_parent(run, merged)
    model = dbt_model(merged)
    if model is not None:
        return Belongs(Process(run.job[0], f"dbt:{model}", "model"), above.run if above else run.run_id)
    if above is not None:
        return above
    engine = facets.engine(merged)
    if engine == "spark":
        return Belongs(Process(run.job[0], run.job[1].partition(".")[0], "spark"), run.run_id)
    user = facet(merged, "run", "lakehold_query").get("user")
    if isinstance(user, str) and user:
        return Belongs(Process(run.job[0], f"user:{storable(user)}", "person"), run.run_id)
    if engine == "trino":
        # A query's id is no name that lasts; who asked is not known.
        return Belongs(Process(run.job[0], "user:?", "person"), run.run_id) if merged.get("outputs") else None
    return Belongs(Process(*run.job, "query"), run.run_id)


def dbt_model(merged: Mapping[str, Any]) -> str | None:
    """Return the short name of the dbt model, snapshot or seed a statement builds."""
    said = facet(merged, "run", "lakehold_query")
    # Where the service has read the query itself, a comment it did not believe is not believed here either.
    node = said["model"] if "model" in said else _node_in_comment(facet(merged, "job", "sql").get("query"))
    if not isinstance(node, str) or not node.startswith(_MODELS):
        return None
    return storable(node.partition(".")[2].partition(".")[2] or node)


def _node_in_comment(query: Any) -> Any:
    found = _DBT_COMMENT.match(query) if isinstance(query, str) else None
    if found is None:
        return None
    try:
        comment = json.loads(found[1])
    except (json.JSONDecodeError, RecursionError):
        return None
    return comment.get("node_id") if isinstance(comment, dict) and comment.get("app") == "dbt" else None


def _job_type(merged: Mapping[str, Any]) -> tuple[str, str]:
    told = facet(merged, "job", "jobType")
    integration, kind = told.get("integration"), told.get("jobType")
    return (
        integration.upper() if isinstance(integration, str) else "",
        kind.upper() if isinstance(kind, str) else "",
    )


def _named_parent(run: Run, merged: Mapping[str, Any]) -> Belongs | None:
    """Return the parent as the run itself names it, for when nothing came from the parent."""
    if run.parent_job is None:
        return None
    root = at(merged, "run", "facets", "parent", "root", "job", "name")
    is_task = isinstance(root, str) and run.parent_job[1].startswith(f"{root}.")
    if run.parent_run_id is None:
        return Belongs(Process(*run.parent_job, "task"), run.run_id)
    return Belongs(Process(*run.parent_job, "task" if is_task else "spark"), run.parent_run_id)
