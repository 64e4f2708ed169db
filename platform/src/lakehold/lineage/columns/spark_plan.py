"""What Spark's facet means: it tells of the plan as optimized, where some things stand otherwise than they were meant.

Seen with Spark 4.1.4 and OpenLineage 1.53.0; ``docs/reference/lineage-accuracy.md`` shows what is right after this.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from lakehold.lineage.model import WHOLE, Column, ColumnEdge, Table

_BY_PARTITION = "overwrite_partitions_dynamic"


@dataclass(frozen=True)
class Told:
    """The edges of one written table, and the sources of all its rows of which Spark says only that they are copied."""

    target: Table
    node: str
    """The plan node that writes."""
    edges: frozenset[ColumnEdge]
    copied: frozenset[Column] = field(default_factory=frozenset)


def meant(told: Told) -> frozenset[ColumnEdge]:
    """Return the edges as they were meant."""
    places = _places(told.edges)
    edges = _joins(_unmixed(told.edges, places), told, places)
    if told.node == _BY_PARTITION:
        edges = _without_the_writers_order(edges)
    return _without_kept_rows(edges, told.target)


def _places(edges: Iterable[ColumnEdge]) -> dict[Column, set[Column]]:
    """Return, for each column that a union puts in the same place as others, the targets it shares with them."""
    copies: dict[Column, set[Column]] = defaultdict(set)
    for edge in edges:
        if edge.how == "IDENTITY":
            copies[edge.target].add(edge.source)
    places: dict[Column, set[Column]] = defaultdict(set)
    for target, sources in copies.items():
        for source in sources if len(sources) > 1 else ():
            places[source].add(target)
    return dict(places)


def _unmixed(edges: frozenset[ColumnEdge], places: Mapping[Column, set[Column]]) -> frozenset[ColumnEdge]:
    """Leave out what comes from a column of a union's other part that only has the same place.

    Spark calls a column of a union by the name of its first part's, so what the first part computes of it seems to be
    copied from the other parts' too. Those bring a column of their own for the same target.
    """
    of_table = Counter((edge.target, edge.source.table) for edge in edges if edge.direct)
    computed: dict[Column, set[Column]] = defaultdict(set)
    for edge in edges:
        if edge.how == "TRANSFORMATION":
            computed[edge.target] |= places.get(edge.source, set())

    def mixed_up(edge: ColumnEdge) -> bool:
        shared = places.get(edge.source, set()) & computed[edge.target]
        return edge.how == "IDENTITY" and of_table[edge.target, edge.source.table] > 1 and bool(shared)

    return frozenset(edge for edge in edges if not mixed_up(edge))


def _joins(edges: frozenset[ColumnEdge], told: Told, united: Container[Column]) -> frozenset[ColumnEdge]:
    """Tell joins by their columns: one that was renamed is only told as copied, and no key is told to be not null."""
    whole = Column(told.target, WHOLE)
    keys = {edge.source for edge in edges if edge.how == "JOIN"}
    if keys:
        keys |= {column for column in told.copied if column not in united and column.table != told.target}
    joins = frozenset(ColumnEdge(column, whole, "JOIN") for column in keys)
    return joins | {edge for edge in edges if not (edge.how == "FILTER" and edge.source in keys)}


def _without_the_writers_order(edges: frozenset[ColumnEdge]) -> frozenset[ColumnEdge]:
    """Leave out that Iceberg's writer wants rows in the order of their partitions."""
    copied = {edge.source for edge in edges if edge.how == "IDENTITY"}
    return frozenset(edge for edge in edges if not (edge.how == "SORT" and edge.source in copied))


def _without_kept_rows(edges: frozenset[ColumnEdge], target: Table) -> frozenset[ColumnEdge]:
    """Leave out that a column stays what it was, and what decided about that when nothing else is made of the table."""
    changed = frozenset(edge for edge in edges if not (edge.source == edge.target and edge.how == "IDENTITY"))
    if changed == edges or any(edge.direct and edge.source.table == target for edge in changed):
        return changed
    return frozenset(edge for edge in changed if edge.source.table != target)
