"""What an engine itself says of its columns: the ``columnLineage`` facet of an event, under our names.

Every version of the facet is read: the first ones had one ``transformationType`` for a column, later ones a list of
``transformations`` for each of its sources, the latest also ``dataset``: sources that decide about all rows. A facet, or
a part of it, that is not what its specification says counts as not sent: a mistake there never costs the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lakehold.lineage.model import DIRECT, INDIRECT, WHOLE, Column, ColumnEdge, Reading, Table

Resolve = Callable[[str, str], Table]
"""The one name of the table that an emitter knows by this namespace and name."""

_ROWS = frozenset({"JOIN", "FILTER", "GROUP_BY", "SORT"})
"""Kinds of influence that concern every row, so they end at the table as a whole."""

_ENGINES = ("spark", "trino", "dbt", "airflow")

_SPARK_KINDS = {
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
"""Names of Spark's plan nodes, of which one is in each job's name, and what they do."""

_CHANGES = {"CREATE": "create", "OVERWRITE": "overwrite"}
"""What OpenLineage's ``lifecycleStateChange`` says of a written table, as far as it tells a statement."""


def read(event: Mapping[str, Any], resolve: Resolve) -> Reading | None:
    """Return what the event says of the first table it writes; None when it writes none."""
    return next(iter(read_all(event, resolve)), None)


def read_all(event: Mapping[str, Any], resolve: Resolve) -> tuple[Reading, ...]:
    """Return what the event says of each table it writes; without a facet, a reading has no edges."""
    inputs = frozenset(table for table, _ in _datasets(event, "inputs", resolve))
    return merge(
        Reading(
            target=table,
            kind=_kind(event, dataset),
            inputs=inputs,
            edges=frozenset(_edges(_at(dataset, "facets", "columnLineage"), table, resolve)),
        )
        for table, dataset in _datasets(event, "outputs", resolve)
    )


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
                yield ColumnEdge(source, Column(target, end), how, expression if how in DIRECT else "")
    for source, given in _sources(_at(facet, "dataset"), resolve):
        for how, _ in _transformations(_at(given, "transformations"), (None, None)):
            if how in INDIRECT:
                # A window or a condition that all columns share is still about the table.
                yield ColumnEdge(source, Column(target, WHOLE), how)


def _sources(given: Any, resolve: Resolve) -> Iterator[tuple[Column, Any]]:
    for one in given if isinstance(given, list) else ():
        table, field = _table(one, resolve), _at(one, "field")
        if table is not None and isinstance(field, str) and field:
            yield Column(table, field), one


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


def _kind(event: Mapping[str, Any], dataset: Any) -> str:
    name = _text(_at(event, "job", "name"))
    for node, kind in _SPARK_KINDS.items() if engine(event) == "spark" else ():
        # The node comes after the application's name, and before the table's.
        if f".{node}." in f".{name.partition('.')[2]}.":
            return kind
    change = _text(_at(dataset, "facets", "lifecycleStateChange", "lifecycleStateChange"))
    return _CHANGES.get(change.upper(), "write")


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
    return resolve(namespace, name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
