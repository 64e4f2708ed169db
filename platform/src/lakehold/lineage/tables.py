"""The graph as tables for SQL, ``ops.lineage_*``: their columns, and where in PostgreSQL each comes from.

The service answers with pages of these rows, and :mod:`lakehold.lineage.iceberg` writes them. Nothing but the standard
library is used, because both of their Python environments read this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, LiteralString

Kind = Literal["string", "long", "boolean", "timestamptz"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its Iceberg type, the SQL that makes its value, and what it means."""

    name: str
    kind: Kind
    sql: LiteralString
    doc: str


@dataclass(frozen=True, kw_only=True)
class View:
    """One of the tables. ``key`` orders its rows and begins each of them, though it is no column of its own."""

    name: LiteralString
    source: LiteralString
    key: tuple[tuple[LiteralString, LiteralString], ...]
    """SQL and PostgreSQL type of each part."""
    changed: LiteralString
    """A query for one value that is another one when the rows have changed."""
    columns: tuple[Column, ...]


# The tables made of the graph are in the graph, and each commit to them is: that alone is no reason for another one.
_OWN: LiteralString = r"n.name LIKE 'ops.lineage\_%%'"


def _times(alias: Literal["n", "p", "e"]) -> tuple[Column, Column]:
    first: dict[str, LiteralString] = {"n": "n.first_seen", "p": "p.first_seen", "e": "e.first_seen"}
    last: dict[str, LiteralString] = {"n": "n.last_seen", "p": "p.last_seen", "e": "e.last_seen"}
    return (
        Column(name="first_seen", kind="timestamptz", sql=first[alias], doc="Time of the first event that shows it"),
        Column(name="last_seen", kind="timestamptz", sql=last[alias], doc="Time of the latest"),
    )


_DATASETS = View(
    name="lineage_datasets",
    source="node n",
    key=(("n.node_id", "bigint"),),
    changed="SELECT changes_ever('node')",
    columns=(
        Column(name="namespace", kind="string", sql="n.namespace", doc="The catalog's name, or s3://bucket"),
        Column(name="name", kind="string", sql="n.name", doc="schema.table, or the path in the bucket"),
        Column(name="kind", kind="string", sql="n.kind", doc="table, view, file or other"),
        Column(name="description", kind="string", sql="n.description", doc="What it says of itself"),
        *_times("n"),
    ),
)
_COLUMNS = View(
    name="lineage_columns",
    source="field f JOIN node n USING (node_id)",
    key=(("f.field_id", "bigint"),),
    changed="SELECT changes_ever('node')",
    columns=(
        Column(name="namespace", kind="string", sql="n.namespace", doc="Namespace of the dataset"),
        Column(name="dataset", kind="string", sql="n.name", doc="Name of the dataset"),
        Column(name="name", kind="string", sql="f.name", doc="The column; empty for the dataset as a whole"),
        Column(name="type", kind="string", sql="f.type", doc="Its type"),
        Column(name="position", kind="long", sql="f.position", doc="Its place, from 0"),
        Column(name="description", kind="string", sql="f.description", doc="What it says of itself"),
        Column(name="first_seen", kind="timestamptz", sql="f.first_seen", doc="Since when it is there"),
        Column(name="removed_at", kind="timestamptz", sql="f.removed_at", doc="Since when it is not"),
    ),
)
_EDGES = View(
    name="lineage_edges",
    source="""edge e JOIN node s ON s.node_id = e.source_node JOIN field sf ON sf.field_id = e.source_field
        JOIN node t ON t.node_id = e.target_node JOIN field tf ON tf.field_id = e.target_field
        JOIN process p ON p.process_id = e.process_id""",
    key=(("e.edge_id", "bigint"),),
    changed="SELECT changes_ever('edge')",
    columns=(
        Column(name="source_namespace", kind="string", sql="s.namespace", doc="Where from: the namespace"),
        Column(name="source", kind="string", sql="s.name", doc="Where from: the dataset"),
        Column(name="source_column", kind="string", sql="sf.name", doc="Where from: the column; empty for the whole"),
        Column(name="target_namespace", kind="string", sql="t.namespace", doc="Where to: the namespace"),
        Column(name="target", kind="string", sql="t.name", doc="Where to: the dataset"),
        Column(name="target_column", kind="string", sql="tf.name", doc="Where to: the column; empty for the whole"),
        Column(name="process", kind="string", sql="p.name", doc="The job that writes it: dag.task, dbt:model, …"),
        Column(name="direct", kind="boolean", sql="e.direct", doc="Whether the source's value is in the target's"),
        Column(name="how", kind="string", sql="e.how", doc="IDENTITY, AGGREGATION, JOIN, …; empty between datasets"),
        Column(name="believed", kind="string", sql="e.believed", doc="What says so: facet, sql or names"),
        Column(name="expression", kind="string", sql="e.expression", doc="The SQL that makes the value, where known"),
        *_times("e"),
        Column(name="ended_at", kind="timestamptz", sql="e.ended_at", doc="When it stopped to be so; NULL: it is so"),
        Column(name="first_run", kind="string", sql="e.first_run::text", doc="The run that made it"),
        Column(name="last_run", kind="string", sql="e.last_run::text", doc="The latest run that made it again"),
    ),
)
_PROCESSES = View(
    name="lineage_processes",
    source="process p",
    key=(("p.process_id", "bigint"),),
    changed="SELECT changes_ever('process')",
    columns=(
        Column(name="namespace", kind="string", sql="p.namespace", doc="Namespace of the job"),
        Column(name="name", kind="string", sql="p.name", doc="dag.task, dbt:model, a Spark application, user:name"),
        Column(name="kind", kind="string", sql="p.kind", doc="task, model, spark, query or person"),
        *_times("p"),
    ),
)
_RUNS = View(
    name="lineage_runs",
    source="run r JOIN job j USING (job_id) LEFT JOIN process p ON p.process_id = r.process_id",
    key=(("r.run_id", "uuid"),),
    changed="SELECT changes_ever('run')",
    columns=(
        Column(name="run_id", kind="string", sql="r.run_id::text", doc="The run"),
        Column(name="job_namespace", kind="string", sql="j.namespace", doc="Namespace of its job"),
        Column(name="job", kind="string", sql="j.name", doc="Its job; of a Trino query its id"),
        Column(name="process", kind="string", sql="p.name", doc="The job whose edges it makes"),
        Column(name="state", kind="string", sql="r.state", doc="RUNNING, COMPLETE, FAIL, ABORT or CLOSED"),
        Column(name="started_at", kind="timestamptz", sql="coalesce(r.started_at, r.first_seen)", doc="Its begin"),
        Column(name="ended_at", kind="timestamptz", sql="r.ended_at", doc="Its end"),
        Column(name="parent_run_id", kind="string", sql="r.parent_run_id::text", doc="The run that started it"),
        Column(name="parent_job", kind="string", sql="r.parent_job_name", doc="That run's job"),
        Column(name="root_run_id", kind="string", sql="r.root_run_id::text", doc="The DAG run it belongs to"),
    ),
)
_SNAPSHOTS = View(
    name="lineage_snapshots",
    source="snapshot s JOIN node n USING (node_id)",
    key=(("s.node_id", "bigint"), ("s.snapshot_id", "bigint")),
    changed=f"""SELECT concat_ws('/', count(*), count(s.matched_by), count(s.run_id), sum(s.snapshot_id))
        FROM snapshot s JOIN node n USING (node_id) WHERE NOT {_OWN}""",  # noqa: S608 - constants only
    columns=(
        Column(name="dataset", kind="string", sql="n.name", doc="The table"),
        Column(name="snapshot_id", kind="long", sql="s.snapshot_id", doc="Its snapshot"),
        Column(name="parent_id", kind="long", sql="s.parent_id", doc="The one before"),
        Column(name="committed_at", kind="timestamptz", sql="s.committed_at", doc="When it was committed"),
        Column(name="operation", kind="string", sql="s.operation", doc="append, overwrite, replace or delete"),
        Column(name="run_id", kind="string", sql="s.run_id::text", doc="The run that made it, when it is known"),
        Column(name="matched_by", kind="string", sql="s.matched_by", doc="How that is known; NULL: it is unexplained"),
    ),
)

VIEWS = {view.name: view for view in (_DATASETS, _COLUMNS, _EDGES, _PROCESSES, _RUNS, _SNAPSHOTS)}
"""Every table, by its name in the schema ``ops``."""


def page(view: View, *, further: bool) -> LiteralString:
    """Return the statement for ``limit`` rows as one JSON array, from the first or after the key ``after_0``, ….

    Each row is an array: the parts of its key, then its columns; times are microseconds since 1970.
    """
    values: LiteralString = ", ".join((*(sql for sql, _ in view.key), *(_json(column) for column in view.columns)))
    order: LiteralString = ", ".join(sql for sql, _ in view.key)
    parts = zip(_PARTS, view.key, strict=False)
    after: LiteralString = ", ".join(f"%(after_{part})s::{kind}" for part, (_, kind) in parts)
    where: LiteralString = f" WHERE ({order}) > ({after})" if further else ""
    rows: LiteralString = (
        f"SELECT json_build_array({values}) AS line FROM {view.source}{where} ORDER BY {order} LIMIT %(limit)s"  # noqa: S608 - constants
    )
    return f"SELECT coalesce(json_agg(line), '[]')::text FROM ({rows}) AS page"  # noqa: S608 - constants only


def positions() -> LiteralString:
    """Return the statement for a JSON object: name of each table → a text that is another one when it has changed."""
    pairs: LiteralString = ", ".join(f"'{view.name}', coalesce(({view.changed})::text, '')" for view in VIEWS.values())
    return f"SELECT json_build_object({pairs})::text"


_PARTS: tuple[LiteralString, ...] = ("0", "1")


def _json(column: Column) -> LiteralString:
    return f"(extract(epoch FROM {column.sql}) * 1000000)::bigint" if column.kind == "timestamptz" else column.sql
