"""Keep the table ``edge`` as the writings of a process into a table say: whole, or only with what came last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.changes import tell
from lakehold.lineage.graph.intervals import Detail, History, Interval, Key, Writing, history
from lakehold.lineage.model import DIRECT

Connection = AsyncConnection[TupleRow]

_WRITINGS = """
SELECT w.run_id, w.process_run, w.at, w.ends, w.shape_id, r.ended_as = 'COMPLETE'
FROM writing w LEFT JOIN run r ON r.run_id = w.process_run
WHERE w.process_id = %(process)s AND w.target_node = %(target)s
    AND w.at >= coalesce(%(since)s::timestamptz, '-infinity')
"""
_EXISTING = """
SELECT edge_id, source_node, source_field, target_field, how, first_seen, last_seen, first_run, last_run,
       believed, expression, ended_at
FROM edge WHERE process_id = %(process)s AND target_node = %(target)s AND (%(all)s OR ended_at IS NULL)
ORDER BY first_seen, edge_id
"""
_INSERT = """
INSERT INTO edge (source_node, source_field, target_node, target_field, process_id, direct, how, believed, expression,
                  first_seen, last_seen, ended_at, first_run, last_run)
SELECT e.source_node, e.source_field, %s, e.target_field, %s, e.direct, e.how, e.believed, e.expression,
       e.first_seen, e.last_seen, e.ended_at, e.first_run, e.last_run
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bool[], %s::text[], %s::text[], %s::text[],
            %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::uuid[])
  AS e (source_node, source_field, target_field, direct, how, believed, expression, first_seen, last_seen, ended_at,
        first_run, last_run)
"""
_UPDATE = """
UPDATE edge SET first_seen = e.first_seen, last_seen = e.last_seen, ended_at = e.ended_at, first_run = e.first_run,
                last_run = e.last_run, believed = e.believed, expression = e.expression
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::uuid[], %s::text[],
            %s::text[])
  AS e (edge_id, first_seen, last_seen, ended_at, first_run, last_run, believed, expression)
WHERE edge.edge_id = e.edge_id
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A process and a table it writes."""

    process: int
    target: int


async def update(connection: Connection, pair: Pair, since: datetime | None) -> None:
    """Bring the edges of a process into a table up to date.

    ``since`` is given when all that changed are writings at or after that time, to which nothing later is known; then
    what was before is read from the open edges.
    """
    existing = await _existing(connection, pair, everything=since is None)
    before = since or await _forgotten(connection, pair)
    writings, complete = await _writings(connection, pair, before)
    start = _start(existing, before) if before is not None else History()
    await _store(connection, pair, existing, history(writings, complete, start))


def _start(existing: Mapping[Key, Sequence[tuple[int, Interval]]], before: datetime) -> History:
    """Return what was valid until a time, for what happened since to be added."""
    started = History()
    for key, rows in existing.items():
        intervals = [_until(interval, before) for _, interval in rows if interval.first_seen < before]
        if intervals:
            started.intervals[key] = intervals
    return started


def _until(interval: Interval, before: datetime) -> Interval:
    ended_later = interval.ended_at is not None and interval.ended_at >= before
    return replace(interval, ended_at=None) if ended_later else interval


async def _forgotten(connection: Connection, pair: Pair) -> datetime | None:
    cursor = await connection.execute(
        "SELECT before FROM forgotten WHERE process_id = %s AND target_node = %s", (pair.process, pair.target)
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def _writings(connection: Connection, pair: Pair, since: datetime | None) -> tuple[list[Writing], set[UUID]]:
    parameters = {"process": pair.process, "target": pair.target, "since": since}
    cursor = await connection.execute(_WRITINGS, parameters)
    rows = await cursor.fetchall()
    cursor = await connection.execute(
        "SELECT shape_id, edges, expressions FROM shape WHERE shape_id = ANY(%s)", (list({row[4] for row in rows}),)
    )
    shapes = {
        row[0]: [_edge(item, text) for item, text in zip(row[1], row[2], strict=True)]
        for row in await cursor.fetchall()
    }
    found = [Writing(run=row[0], process_run=row[1], at=row[2], ends=row[3], edges=shapes[row[4]]) for row in rows]
    return found, {row[1] for row in rows if row[5]}


def _edge(item: Sequence[Any], expression: str) -> tuple[Key, Detail]:
    source_node, source_field, target_field, how, believed = item
    return Key(source_node, source_field, target_field, how), Detail(believed, expression)


async def _existing(connection: Connection, pair: Pair, *, everything: bool) -> dict[Key, list[tuple[int, Interval]]]:
    parameters = {"process": pair.process, "target": pair.target, "all": everything}
    cursor = await connection.execute(_EXISTING, parameters)
    found: dict[Key, list[tuple[int, Interval]]] = {}
    for row in await cursor.fetchall():
        interval = Interval(row[5], row[6], row[7], row[8], Detail(row[9], row[10]), row[11])
        found.setdefault(Key(*row[1:5]), []).append((row[0], interval))
    return found


async def _store(
    connection: Connection, pair: Pair, existing: Mapping[Key, Sequence[tuple[int, Interval]]], wanted: History
) -> None:
    """Write what differs. An edge that never was is withdrawn rather than deleted, so that sinks can follow."""
    insert: list[tuple[Key, Interval]] = []
    update: list[tuple[int, Interval]] = []
    told: set[int] = set()
    for key in existing.keys() | wanted.intervals.keys():
        rows, intervals = existing.get(key, ()), wanted.intervals.get(key, [])
        insert += [(key, interval) for interval in intervals[len(rows) :]]
        if len(intervals) > len(rows):
            told.add(key.source_node)
        for index, (edge_id, known) in enumerate(rows):
            right = intervals[index] if index < len(intervals) else _withdrawn(known)
            if right != known:
                update.append((edge_id, right))
                if (right.ended_at is None) != (known.ended_at is None):
                    told.add(key.source_node)
    await _insert(connection, pair, insert)
    await _update(connection, update)
    await tell(connection, "edge", [f"{source}:{pair.target}" for source in told])


def _withdrawn(interval: Interval) -> Interval:
    return replace(interval, ended_at=interval.first_seen)


async def _insert(connection: Connection, pair: Pair, edges: Iterable[tuple[Key, Interval]]) -> None:
    rows = [
        (
            key.source_node, key.source_field, key.target_field, key.how == "" or key.how in DIRECT, key.how,
            *one.detail, one.first_seen, one.last_seen, one.ended_at, one.first_run, one.last_run,
        )
        for key, one in sorted(edges, key=lambda item: item[0])
    ]  # fmt: skip
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(_INSERT, [pair.target, pair.process, *columns])


async def _update(connection: Connection, edges: Iterable[tuple[int, Interval]]) -> None:
    rows = [
        (edge_id, one.first_seen, one.last_seen, one.ended_at, one.first_run, one.last_run, *one.detail)
        for edge_id, one in edges
    ]
    if rows:
        await connection.execute(_UPDATE, [list(column) for column in zip(*rows, strict=True)])
