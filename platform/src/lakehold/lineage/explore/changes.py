"""What became different between two times: edges that came and edges that went."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore import graph
from lakehold.lineage.explore.find import Place, rows
from lakehold.lineage.explore.walk import COLUMNS, ONLY, Bounds, Edge

_MOST_MOMENTS = 200

# An edge that ended and came again is two rows; only what is there at one time and not at the other is a change.
_BETWEEN: LiteralString = """
SELECT {columns} FROM edge e
WHERE {happened}{only} AND NOT EXISTS (
    SELECT 1 FROM edge o WHERE o.source_field = e.source_field AND o.target_field = e.target_field
        AND o.process_id = e.process_id AND o.how = e.how
        AND o.first_seen <= {other} AND coalesce(o.ended_at, 'infinity') > {other})
ORDER BY edge_id LIMIT %(most)s
"""
_CAME = (
    _BETWEEN.replace("{columns}", COLUMNS)
    .replace(
        "{happened}",
        "first_seen > %(start)s AND first_seen <= %(end)s AND (ended_at IS NULL OR ended_at > %(end)s)",
    )
    .replace("{other}", "%(start)s")
)
_WENT = (
    _BETWEEN.replace("{columns}", COLUMNS)
    .replace("{happened}", "ended_at > %(start)s AND ended_at <= %(end)s AND first_seen <= %(start)s")
    .replace("{other}", "%(end)s")
)


async def everywhere(
    connection: AsyncConnection[TupleRow], start: datetime, end: datetime, bounds: Bounds, catalog: str
) -> dict[str, Any]:
    """Return the edges of the whole graph that are there at one of two times only."""
    values = {"start": start, "end": end, "most": bounds.most + 1}
    came = await rows(connection, _CAME.replace("{only}", ONLY[bounds.which]), values)
    went = await rows(connection, _WENT.replace("{only}", ONLY[bounds.which]), values)
    truncated = max(len(came), len(went)) > bounds.most
    found = await _answer(connection, came[: bounds.most], went[: bounds.most], catalog)
    return {"from": start, "to": graph.shown(end), **found, "truncated": truncated}


async def around(
    connection: AsyncConnection[TupleRow], place: Place, start: datetime, end: datetime, bounds: Bounds, catalog: str
) -> dict[str, Any]:
    """Return the edges around a place that are there at one of two times only."""
    before = await graph.look(connection, place, bounds, start)
    after = await graph.look(connection, place, bounds, end)
    was = {_identity(edge) for edge in before.edges.values()}
    now = {_identity(edge) for edge in after.edges.values()}
    came = [edge for edge in after.edges.values() if _identity(edge) not in was]
    went = [edge for edge in before.edges.values() if _identity(edge) not in now]
    found = await _answer(connection, came, went, catalog)
    return {"from": start, "to": graph.shown(end), **found, "truncated": before.truncated or after.truncated}


async def moments(connection: AsyncConnection[TupleRow], place: Place, bounds: Bounds) -> dict[str, Any]:
    """Return when what is around a place changed, the latest last: how many edges came and went at each time."""
    ever = await graph.look(connection, place, bounds, None)
    edges = ever.edges.values()
    came = Counter(edge["first_seen"] for edge in edges)
    went = Counter(edge["ended_at"] for edge in edges if edge["ended_at"])
    times = sorted({*came, *went})
    return {
        "first": times[0] if times else None,
        "last": max([*times, *(edge["last_seen"] for edge in edges)], default=None),
        "changes": [{"at": at, "came": came[at], "went": went[at]} for at in times[-_MOST_MOMENTS:]],
        "truncated": ever.truncated or len(times) > _MOST_MOMENTS,
    }


def _identity(edge: Edge) -> tuple[Any, ...]:
    return edge["source_field"], edge["target_field"], edge["process_id"], edge["how"]


async def _answer(
    connection: AsyncConnection[TupleRow], came: list[Edge], went: list[Edge], catalog: str
) -> dict[str, Any]:
    both = [*came, *went]
    found = await graph.pieces(connection, graph.ends(both), both, catalog)
    edges = found.pop("edges")
    return {**found, "came": edges[: len(came)], "went": edges[len(came) :]}
