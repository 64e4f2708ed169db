"""Walk the graph from some columns, level by level, as it was at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore.find import Statement, all_rows

Direction = Literal["up", "down"]
Sides = Literal["up", "down", "both"]
Which = Literal["all", "direct", "tables"]
"""Which edges to follow: every one, those that carry values, or those between tables as wholes."""

COLUMNS: LiteralString = """edge_id, source_field, target_field, process_id, direct, how, believed, expression,
    first_seen, last_seen, ended_at"""
VALID: LiteralString = "e.first_seen <= %(at)s AND coalesce(e.ended_at, 'infinity') > %(at)s"
"""An edge is there at a time; as the indexes have it, so that edges which have ended are not looked at."""
_EVER: LiteralString = "ended_at IS DISTINCT FROM first_seen"
_ENDS: Mapping[Direction, tuple[LiteralString, LiteralString]] = {
    "down": ("source", "target"),
    "up": ("target", "source"),
}
ONLY: Mapping[Which, LiteralString] = {"all": "", "direct": " AND direct", "tables": " AND how = ''"}
"""Which edges → the condition that keeps only those."""

# Without an order: PostgreSQL might go through all edges in it, not look for those of the frontier.
_LEVEL: LiteralString = """
SELECT {columns} FROM edge e WHERE {near}_field = ANY(%(frontier)s) AND {valid}{only} LIMIT %(most)s
"""
# First only which tables are next to what, of however many edges. The edges by a list of their ids, whose length nobody
# can misjudge; a table's edges to itself do not count as a neighbour.
_FANNED: LiteralString = """
WITH beside AS MATERIALIZED (
    SELECT edge_id, {near}_{by} AS near, {far}_node AS far, {far}_node = {near}_node AS own
    FROM edge e WHERE {near}_field = ANY(%(frontier)s) AND {valid}{only}),
tables AS MATERIALIZED (
    SELECT near, far, own, count(*) FILTER (WHERE NOT own) OVER (PARTITION BY near ORDER BY own DESC, far) AS place
    FROM (SELECT DISTINCT near, far, own FROM beside) AS each),
chosen AS MATERIALIZED (
    SELECT edge_id FROM beside JOIN tables USING (near, far) WHERE place <= %(fan)s LIMIT %(most)s)
SELECT {columns}, NULL::bigint AS near, NULL::bigint[] AS shown, NULL::bigint[] AS hidden FROM edge e
WHERE edge_id = ANY(ARRAY(SELECT edge_id FROM chosen))
UNION ALL
SELECT {nothing}, near, array_agg(far) FILTER (WHERE place <= %(fan)s), array_agg(far) FILTER (WHERE place > %(fan)s)
FROM tables WHERE NOT own GROUP BY near
"""
_NOTHING: LiteralString = """NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bool, NULL, NULL, NULL,
    NULL::timestamptz, NULL::timestamptz, NULL::timestamptz"""

Edge = dict[str, Any]
"""A row of the table ``edge``."""


@dataclass
class Walk:
    """What a walk came by: edges by their id, and how far each column is from where it started."""

    edges: dict[int, Edge] = field(default_factory=dict)
    distance: dict[int, int] = field(default_factory=dict)
    truncated: bool = False
    shown: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """With a fan: place → tables next to it that were gone to."""
    hidden: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Place → tables next to it that were not, from one of its columns at least."""

    @property
    def more(self) -> dict[int, int]:
        """Place → how many tables next to it were not gone to at all."""
        counts = {near: len(tables - self.shown[near]) for near, tables in self.hidden.items()}
        return {near: count for near, count in counts.items() if count}


@dataclass(frozen=True, kw_only=True)
class Fan:
    """How many tables to go to from one place; a place is a column, or else a table with all its columns."""

    most: int
    of_columns: bool


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far to look around a place: which ways, how many steps, along which edges, and how many at most."""

    direction: Sides = "both"
    depth: int = 3
    which: Which = "all"
    most: int = 2000
    fan: int | None = None
    """Most tables to go to from each table, or from each column where one was asked for; None for all."""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The ways, one by one."""
        return ("up", "down") if self.direction == "both" else (self.direction,)


@dataclass(kw_only=True)
class Way:
    """One direction of a walk: where it begins, and what it has come by so far.

    ``rows`` are tables as wholes whose row-level edges (JOIN, FILTER…) also count at the first step: they decide about
    the rows the columns asked for are in.
    """

    direction: Direction
    start: Collection[int]
    most: int
    rows: Collection[int] = ()
    found: Walk = field(default_factory=Walk)

    def __post_init__(self) -> None:
        """Begin."""
        self.found.distance = dict.fromkeys([*self.start, *self.rows], 0)
        self._frontier: Collection[int] = set(self.start)
        self._rows = self.rows

    def questions(self, at: datetime | None, which: Which, fan: Fan | None) -> list[Statement]:
        """Return what to ask for the next step; nothing at the end."""
        asked = [(self._rows, " AND how <> ''")] if self._rows else []
        if self._frontier:
            asked.append((self._frontier, ONLY[which]))
        return [self._question(near, only, at, fan) for near, only in asked]

    def take(self, answers: Sequence[list[Edge]], step: int) -> None:
        """Take in what was found."""
        self._rows = ()
        far = f"{_ENDS[self.direction][1]}_field"
        frontier: set[int] = set()
        for edge in [edge for answer in answers for edge in self._edges(answer)]:
            if len(self.found.edges) >= self.most and edge["edge_id"] not in self.found.edges:
                self.found.truncated = True
                frontier.clear()
                break
            self.found.edges[edge["edge_id"]] = edge
            if edge[far] not in self.found.distance:
                self.found.distance[edge[far]] = step
                frontier.add(edge[far])
        self._frontier = frontier

    def _edges(self, answer: list[Edge]) -> list[Edge]:
        edges = []
        for row in answer:
            if row["edge_id"] is not None:
                edges.append(row)
                continue
            self.found.shown[row["near"]].update(row["shown"] or ())
            if row["hidden"]:
                self.found.hidden[row["near"]].update(row["hidden"])
        return sorted(edges, key=lambda edge: edge["edge_id"])

    def _question(self, near: Collection[int], only: LiteralString, at: datetime | None, fan: Fan | None) -> Statement:
        here, there = _ENDS[self.direction]
        statement = (
            (_FANNED if fan is not None else _LEVEL)
            .replace("{columns}", COLUMNS)
            .replace("{nothing}", _NOTHING)
            .replace("{near}", here)
            .replace("{far}", there)
            .replace("{by}", "field" if fan is not None and fan.of_columns else "node")
            .replace("{valid}", VALID if at is not None else _EVER)
            .replace("{only}", only)
        )
        room = max(self.most - len(self.found.edges), 0) + 1
        return statement, {"frontier": list(near), "at": at, "most": room, "fan": fan.most if fan is not None else None}


async def walk(
    connection: AsyncConnection[TupleRow],
    ways: Sequence[Way],
    *,
    depth: int,
    at: datetime | None,
    which: Which = "all",
    fan: Fan | None = None,
) -> None:
    """Go ``depth`` steps each way, asking for all ways at once; each takes as many edges as it may, and says if more.

    ``at`` is the time the edges must have been valid at; None takes every edge there ever was.
    """
    for step in range(1, depth + 1):
        asked = [way.questions(at, which, fan) for way in ways]
        if not any(asked):
            break
        answers = iter(await all_rows(connection, [one for of_way in asked for one in of_way]))
        for way, questions in zip(ways, asked, strict=True):
            way.take([next(answers) for _ in questions], step)
