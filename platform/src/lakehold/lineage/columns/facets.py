"""What an engine itself says of its columns: the ``columnLineage`` facet of an event, under our names.

Every version of the facet is read: the first ones had one ``transformationType`` for a column, later ones a list of
``transformations`` for each of its sources, the latest also ``dataset``: sources that decide about all rows. A facet,
or a part of it, that is not what its specification says counts as not sent: a mistake there never costs the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lakehold.lineage.columns.spark_plan import Told as PlanTold
from lakehold.lineage.columns.spark_plan import meant
from lakehold.lineage.columns.sql_functions import HIDDEN_COLUMNS
from lakehold.lineage.event import storable
from lakehold.lineage.model import DIRECT, INDIRECT, WHOLE, Column, ColumnEdge, Reading, Table

Resolve = Callable[[str, str], Table]
"""The one name of the table that an emitter knows by this namespace and name."""

_ROWS = frozenset({"JOIN", "FILTER", "GROUP_BY", "SORT"})
"""Kinds of influence that concern every row, so they end at the table as a whole."""

_STRENGTH = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")

_ENGINES = ("spark", "trino", "dbt", "airflow")

_SPARK_WRITES = {
    "append_data": "insert",
    "overwrite_by_expression": "overwrite",
    "overwrite_partitions_dynamic": "overwrite",
    "replace_data": "merge",
    "write_delta": "merge",
    "merge_into": "merge",
    "atomic_create_table_as_select": "create",
    "create_table_as_select": "create",
    "atomic_replace_table_as_select": "create",
    "replace_table_as_select": "create",
    "delete_from_table": "delete",
    "create_view": "view",
}
"""Spark's plan nodes that write rows, and what they do."""

_CHANGING = frozenset({"merge", "delete"})

_CHANGES = {"CREATE": "create", "OVERWRITE": "overwrite"}
"""What OpenLineage's ``lifecycleStateChange`` says of a written table, as far as it tells a statement."""


def read(event: Mapping[str, Any], resolve: Resolve) -> Reading | None:
    """Return what the event says of the first table it writes; None when it writes none."""
    return next(iter(read_all(event, resolve)), None)


def read_all(event: Mapping[str, Any], resolve: Resolve, *, as_told: bool = False) -> tuple[Reading, ...]:
    """Return what the event says of each table it writes; without a facet, a reading has no edges.

    ``as_told``: also where an engine is known not to mean what it says.
    """
    inputs = frozenset(table for table, _ in _datasets(event, "inputs", resolve))
    outputs = _datasets(event, "outputs", resolve)
    return merge(_reading(event, dataset, table, inputs, resolve, as_told) for table, dataset in outputs)


def _reading(
    event: Mapping[str, Any], dataset: Any, table: Table, inputs: frozenset[Table], resolve: Resolve, as_told: bool
) -> Reading:
    facet = _at(dataset, "facets", "columnLineage")
    edges, node = _told(_edges(facet, table, resolve)), _spark_node(event)
    kind = _SPARK_WRITES.get(node) or _CHANGES.get(_lifecycle(dataset), "write")
    if engine(event) == "spark" and kind in _CHANGING and not as_told:
        edges = frozenset(edge for edge in edges if not _of_the_writer(edge, table))
    elif engine(event) == "spark" and not as_told:
        edges = meant(PlanTold(table, node, edges, frozenset(_copied(facet, resolve))))
        # Rows that were kept are no input.
        inputs -= {table} - {edge.source.table for edge in edges}
    made = {edge.target.name for edge in edges if edge.direct}
    why = f"{engine(event) or 'the event'} names no source of it: a constant, or made by other code"
    unknown = {name: why for name in _columns(dataset) if name not in made} if edges or node in _SPARK_WRITES else {}
    return Reading(target=table, kind=kind, inputs=inputs, edges=edges, unknown=unknown)


def _of_the_writer(edge: ColumnEdge, changed: Table) -> bool:
    """Whether an edge is about where rows of the changed table lie: Iceberg's writer keeps files nothing changes in."""
    return edge.source.table == changed and edge.source.name in HIDDEN_COLUMNS


def merge(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """Make the readings of one run's events, in the order of time, one for each table it writes.

    Engines repeat themselves, and some forget at the end what they knew at the start: the inputs of all events count,
    and the edges of the last one that has any.
    """
    merged: dict[Table, Reading] = {}
    for later in readings:
        earlier = merged.get(later.target, later)
        merged[later.target] = replace(
            later,
            kind=later.kind if later.kind != "write" else earlier.kind,
            inputs=earlier.inputs | later.inputs,
            edges=later.edges or earlier.edges,
            unknown=later.unknown if later.edges or not earlier.edges else earlier.unknown,
        )
    return tuple(merged.values())


def engine(event: Mapping[str, Any]) -> str:
    """Return who ran what the event tells of: ``spark``, ``trino``, ``dbt``, ``airflow``, or nothing known."""
    named = _at(event, "run", "facets", "processing_engine", "name")
    for source in (named, event.get("producer")):
        text = source.lower() if isinstance(source, str) else ""
        for known in _ENGINES:
            if known in text:
                return known
    return ""


def statement(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the SQL the event carries, and whose dialect it is in (``spark``, ``trino`` or nothing known)."""
    facet = _at(event, "job", "facets", "sql")
    query, dialect = _at(facet, "query"), _at(facet, "dialect")
    if not isinstance(query, str) or not query.strip():
        return None
    spoken = dialect.lower() if isinstance(dialect, str) else ""
    ran = engine(event)
    return query, next((known for known in ("trino", "spark") if known in (spoken, ran)), "")


def _told(edges: Iterable[ColumnEdge]) -> frozenset[ColumnEdge]:
    """Keep of two direct ways from one column to another the one that changes the value more."""
    strongest: dict[tuple[Column, Column], ColumnEdge] = {}
    others = set()
    for edge in edges:
        if not edge.direct:
            others.add(edge)
            continue
        ends = (edge.source, edge.target)
        if ends not in strongest or _STRENGTH.index(edge.how) > _STRENGTH.index(strongest[ends].how):
            strongest[ends] = edge
    return frozenset(strongest.values()) | others


def _edges(facet: Any, target: Table, resolve: Resolve) -> Iterator[ColumnEdge]:
    """Read the facet of one written table."""
    fields = _at(facet, "fields")
    for name, field in fields.items() if isinstance(fields, dict) else ():
        if not isinstance(name, str) or not name:
            continue
        described = (_at(field, "transformationType"), _at(field, "transformationDescription"))
        for source, given in _sources(_at(field, "inputFields"), resolve):
            for how, expression in _transformations(_at(given, "transformations"), described):
                end = WHOLE if how in _ROWS else name
                yield ColumnEdge(source, Column(target, storable(end)), how, expression if how in DIRECT else "")
    for source, given in _sources(_at(facet, "dataset"), resolve):
        for how, _ in _transformations(_at(given, "transformations"), (None, None)):
            if how in INDIRECT:
                # A window or a condition that all columns share is still about the table.
                yield ColumnEdge(source, Column(target, WHOLE), how)


def _copied(facet: Any, resolve: Resolve) -> Iterator[Column]:
    """Return the sources of all rows of which the facet says that they are in a value, which no row is."""
    for source, given in _sources(_at(facet, "dataset"), resolve):
        if any(how in DIRECT for how, _ in _transformations(_at(given, "transformations"), (None, None))):
            yield source


def _sources(given: Any, resolve: Resolve) -> Iterator[tuple[Column, Any]]:
    for one in given if isinstance(given, list) else ():
        table, field = _table(one, resolve), _at(one, "field")
        if table is not None and isinstance(field, str) and field:
            yield Column(table, storable(field)), one


def _transformations(given: Any, described: tuple[Any, Any]) -> Iterator[tuple[str, str]]:
    """Return how the source has an effect, and the expression if it is told.

    A source without a word about it is in the column's value; as what is not said.
    """
    found = False
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict):
            continue
        found = True
        yield _how(one), _text(one.get("description"))
    if not found:
        yield "IDENTITY" if described[0] == "IDENTITY" else "TRANSFORMATION", _text(described[1])


def _how(transformation: Mapping[str, Any]) -> str:
    """Return the subtype; what has none, or one we do not know, is taken for the least that its type claims."""
    subtype = _text(transformation.get("subtype")).upper()
    if subtype in DIRECT or subtype in INDIRECT:
        return subtype
    return "CONDITIONAL" if _text(transformation.get("type")).upper() == "INDIRECT" else "TRANSFORMATION"


def _spark_node(event: Mapping[str, Any]) -> str:
    """Return the plan node Spark ran, which stands in the job's name after the application's and before the table's."""
    parts = _text(_at(event, "job", "name")).split(".")[1:] if engine(event) == "spark" else []
    return next((part for part in parts if part in _SPARK_WRITES), "")


def _lifecycle(dataset: Any) -> str:
    return _text(_at(dataset, "facets", "lifecycleStateChange", "lifecycleStateChange")).upper()


def _columns(dataset: Any) -> Iterator[str]:
    """Return the written table's columns as the event lists them."""
    fields = _at(dataset, "facets", "schema", "fields")
    for field in fields if isinstance(fields, list) else ():
        if name := _text(_at(field, "name")):
            yield storable(name)


def _datasets(event: Mapping[str, Any], key: str, resolve: Resolve) -> Iterator[tuple[Table, Any]]:
    given = event.get(key)
    for dataset in given if isinstance(given, list) else ():
        table = _table(dataset, resolve)
        if table is not None:
            yield table, dataset


def _table(dataset: Any, resolve: Resolve) -> Table | None:
    namespace, name = _at(dataset, "namespace"), _at(dataset, "name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not name:
        return None
    return resolve(storable(namespace), storable(name))


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
