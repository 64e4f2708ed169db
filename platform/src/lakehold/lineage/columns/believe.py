"""Whom to believe about columns: the engine's own facet, or its SQL as we read it; which, for whom, is data.

A statement we can read is believed first: it says what was meant. What is not in it (a view of the session, a frame,
which has no statement at all) is the engine's to tell. ``bench/lineage_accuracy.py`` compares both with graphs drawn by
hand, on the real engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lakehold.lineage.model import WHOLE, Column, ColumnEdge, Reading, Table

By = Literal["facet", "sql"]

ANY = "*"
"""In a rule: every engine, or every kind of statement."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Believe ``first`` about what ``engine`` writes by statements of these ``kinds``; ``why`` is for people."""

    engine: str
    kinds: frozenset[str]
    first: By
    why: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is believed, and for each edge by whom: single columns may come from the one that is otherwise second."""

    reading: Reading
    by: Mapping[ColumnEdge, By] = field(default_factory=dict)
    first: By = "facet"
    """Whom the rule believed."""


_CHANGES = frozenset({"merge", "update", "delete"})
"""Statements that keep the rest of the table: an engine that rewrites files tells each column as its own source."""

RULES: tuple[Rule, ...] = (
    Rule("trino", _CHANGES, "sql", "Trino tells no columns of MERGE and DELETE, and of UPDATE only those of values"),
    Rule("trino", frozenset({ANY}), "sql", "Trino tells which columns, not how, and nothing of joins and filters"),
    Rule("spark", _CHANGES, "sql", "Spark tells each column of a copy-on-write change as made from itself only"),
    Rule("spark", frozenset({ANY}), "sql", "Spark tells what its optimizer left, and looks through views"),
    Rule(ANY, frozenset({ANY}), "sql", "nobody has measured what this engine tells of columns"),
)
"""The first rule that fits decides."""


def rule(engine: str, kind: str) -> Rule:
    """Return the rule for what this engine writes by this kind of statement."""
    return next(one for one in RULES if one.engine in (engine, ANY) and one.kinds & {kind, ANY})


def choose(facet: Reading | None, sql: Reading | None, engine: str, kind: str) -> Chosen | None:
    """Return what to believe of one write: ``facet`` is what the engine told, ``sql`` its statement as we read it.

    Where the first to be believed does not know a column's sources and the second does, the second is believed about
    that column. None when there is neither.
    """
    told = _without_itself(facet) if facet is not None and kind in _CHANGES else facet
    if told is None or sql is None:
        only = told or sql
        by: By = "facet" if told else "sql"
        return Chosen(only, _by(only, by), by) if only else None
    # The engine knows which table it wrote; the text may leave out the schema.
    sql = _renamed(sql, told.target)
    first = rule(engine, kind).first
    if first == "facet" and told.edges:
        return _completed(told, sql, "facet", "sql")
    return _completed(sql, told, "sql", "facet")


def _completed(first: Reading, second: Reading, by_first: By, by_second: By) -> Chosen:
    """Give ``first`` what only ``second`` knows: the sources of columns, and of rows, that are unknown to ``first``."""
    known = {(edge.source, edge.target) for edge in first.edges if edge.direct}
    more = {edge for edge in second.edges if edge.direct and (edge.source, edge.target) not in known}
    everything = WHOLE in first.unknown
    columns = frozenset(edge.target.name for edge in more if everything or edge.target.name in first.unknown)
    unknown = _unknown(first, second, columns, by_second)
    if not columns:
        reading = replace(first, inputs=first.inputs or second.inputs, unknown=unknown)
        return Chosen(reading, _by(first, by_first), by_first)
    added = replace(second, edges=frozenset(edge for edge in second.edges if edge.target.name in (*columns, WHOLE)))
    reading = replace(
        first,
        kind=first.kind if first.kind != "write" else second.kind,
        inputs=first.inputs | second.inputs,
        edges=first.edges | added.edges,
        unknown=unknown,
    )
    return Chosen(reading, {**_by(added, by_second), **_by(first, by_first)}, by_first)


def _by(reading: Reading, by: By) -> dict[ColumnEdge, By]:
    return dict.fromkeys(reading.edges, by)


def _unknown(first: Reading, second: Reading, completed: frozenset[str], by_second: By) -> dict[str, str]:
    """Return what nobody knows. SQL tells a value without a source from one whose source cannot be known."""
    left = {name: why for name, why in first.unknown.items() if name not in completed and (name or not completed)}
    if by_second == "sql" and WHOLE not in second.unknown:
        return {name: second.unknown[name] for name in left if name in second.unknown}
    return left


def _without_itself(told: Reading) -> Reading:
    """Leave out that a column stays what it was; a column of which only that is told is not known."""
    own = frozenset(edge for edge in told.edges if _stays(edge))
    rest = told.edges - own
    told_of = {edge.target.name for edge in rest if edge.direct}
    why = "the engine tells only that the column is rewritten"
    unknown = {edge.target.name: why for edge in own if edge.target.name not in told_of}
    return replace(told, edges=rest, unknown={**told.unknown, **unknown})


def _stays(edge: ColumnEdge) -> bool:
    return edge.source == edge.target and edge.how == "IDENTITY"


def _renamed(reading: Reading, target: Table) -> Reading:
    """Call the table a statement writes by the name the engine gives it."""
    if reading.target == target:
        return reading

    def named(column: Column) -> Column:
        return Column(target, column.name) if column.table == reading.target else column

    return replace(
        reading,
        target=target,
        inputs=frozenset(target if table == reading.target else table for table in reading.inputs),
        edges=frozenset(replace(edge, source=named(edge.source), target=named(edge.target)) for edge in reading.edges),
    )
