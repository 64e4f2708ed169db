"""What the publisher reads of the lineage database, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """A live column."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """A table, view or file with its live columns."""

    node_id: int
    namespace: str
    name: str
    kind: str
    description: str
    fields: Sequence[Field]
    view_sql: str = ""
    owners: Sequence[str] = ()
    tags: Sequence[tuple[str, str]] = ()
    """Classification and name."""


@dataclass(frozen=True, kw_only=True)
class ColumnPair:
    """An open edge between two columns."""

    source: str
    target: str
    direct: bool
    how: str
    expression: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """All that is known now of how one table feeds another."""

    source: int
    target: int
    open: bool
    columns: Sequence[ColumnPair] = ()
    sql: str = ""
    root_run: str = ""
    """The DAG run, if it is one, of the latest run that wrote the edge."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """How one task of a DAG run ended."""

    name: str
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """A run of a DAG with the DAG as it was then."""

    run_id: str
    dag: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    latest: bool = True
    """Whether no later run of the DAG began."""
    description: str = ""
    schedule: str = ""
    owners: Sequence[str] = ()
    tags: Sequence[tuple[str, str]] = ()
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Task id → what Airflow says of it: ``operator``, ``ui_label``, ``downstream_task_ids``."""
    states: Sequence[TaskState] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a gate found out about one expectation."""

    node_id: int
    column: str
    name: str
    success: bool
    at: datetime
    details: Mapping[str, Any]
