"""Walk the graph from some columns, level by level, as it was at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore.find import rows as fetch

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
    "down": ("source_field", "target_field"),
    "up": ("target_field", "source_field"),
}
ONLY: Mapping[Which, LiteralString] = {"all": "", "direct": " AND direct", "tables": " AND how = ''"}
"""Which edges → the condition that keeps only those."""

Edge = dict[str, Any]
"""A row of the table ``edge``."""


@dataclass
class Walk:
    """What a walk came by: edges by their id, and how far each column is from where it started."""

    edges: dict[int, Edge] = field(default_factory=dict)
    distance: dict[int, int] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far to look around a place: which ways, how many steps, along which edges, and how many at most."""

    direction: Sides = "both"
    depth: int = 3
    which: Which = "all"
    most: int = 2000

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The ways, one by one."""
        return ("up", "down") if self.direction == "both" else (self.direction,)


async def walk(
    connection: AsyncConnection[TupleRow],
    start: Collection[int],
    *,
    direction: Direction,
    depth: int,
    at: datetime | None,
    which: Which = "all",
    most: int,
    rows: Collection[int] = (),
) -> Walk:
    """Return the edges within ``depth`` steps from the columns ``start``; at most ``most``, and whether there are more.

    ``at`` is the time the edges must have been valid at; None takes every edge there ever was. ``rows`` are tables as
    wholes whose row-level edges (JOIN, FILTER…) also count at the first step: they decide about the rows the columns
    asked for are in.
    """
    found = Walk(distance=dict.fromkeys([*start, *rows], 0))
    frontier = set(start)
    for step in range(1, depth + 1):
        extra = await _level(connection, rows, direction, at, " AND how <> ''", most - len(found.edges)) if rows else []
        rows = ()
        level = await _level(connection, frontier, direction, at, ONLY[which], most - len(found.edges) - len(extra))
        _, far = _ENDS[direction]
        frontier = set()
        for edge in [*extra, *level]:
            if len(found.edges) >= most and edge["edge_id"] not in found.edges:
                found.truncated = True
                return found
            found.edges[edge["edge_id"]] = edge
            if edge[far] not in found.distance:
                found.distance[edge[far]] = step
                frontier.add(edge[far])
        if not frontier:
            break
    return found


async def _level(
    connection: AsyncConnection[TupleRow],
    frontier: Collection[int],
    direction: Direction,
    at: datetime | None,
    only: LiteralString,
    room: int,
) -> list[Edge]:
    near, _ = _ENDS[direction]
    valid = VALID if at is not None else _EVER
    found = await fetch(
        connection,
        # Without an order: PostgreSQL might go through all edges in it, not look for those of the frontier.
        f"SELECT {COLUMNS} FROM edge e WHERE {near} = ANY(%(frontier)s) AND {valid}{only} LIMIT %(most)s",  # noqa: S608 - constants only
        {"frontier": list(frontier), "at": at, "most": max(room, 0) + 1},
    )
    return sorted(found, key=lambda edge: edge["edge_id"])
