"""Keep the table ``edge`` as the writings of a process into a table say: whole, or only with what came last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
SELECT w.process_id, w.target_node, w.run_id, w.process_run, w.at, w.ends, w.shape_id, r.ended_as = 'COMPLETE'
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS p (process_id, target_node, since)
JOIN writing w ON w.process_id = p.process_id AND w.target_node = p.target_node
    AND w.at >= coalesce(p.since, '-infinity')
LEFT JOIN run r ON r.run_id = w.process_run
"""
_EXISTING = """
SELECT p.process_id, p.target_node, edge_id, source_node, source_field, target_field, how, first_seen, last_seen,
       first_run, last_run, believed, expression, ended_at
FROM unnest(%s::bigint[], %s::bigint[], %s::bool[]) AS p (process_id, target_node, whole)
JOIN edge e ON e.process_id = p.process_id AND e.target_node = p.target_node AND (p.whole OR e.ended_at IS NULL)
ORDER BY first_seen, edge_id
"""
_FORGOTTEN = """
SELECT process_id, target_node, before FROM forgotten
JOIN unnest(%s::bigint[], %s::bigint[]) AS p (process_id, target_node) USING (process_id, target_node)
"""
_INSERT = """
INSERT INTO edge (source_node, source_field, target_node, target_field, process_id, direct, how, believed, expression,
                  first_seen, last_seen, ended_at, first_run, last_run)
SELECT e.source_node, e.source_field, e.target_node, e.target_field, e.process_id, e.direct, e.how, e.believed,
       e.expression, e.first_seen, e.last_seen, e.ended_at, e.first_run, e.last_run
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bool[], %s::text[], %s::text[],
            %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::uuid[])
  AS e (target_node, process_id, source_node, source_field, target_field, direct, how, believed, expression, first_seen,
        last_seen, ended_at, first_run, last_run)
"""
_UPDATE = """
UPDATE edge SET first_seen = e.first_seen, last_seen = e.last_seen, ended_at = e.ended_at, first_run = e.first_run,
                last_run = e.last_run, believed = e.believed, expression = e.expression
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::uuid[], %s::text[],
            %s::text[])
  AS e (edge_id, first_seen, last_seen, ended_at, first_run, last_run, believed, expression)
WHERE edge.edge_id = e.edge_id
"""


_TOGETHER = 25
"""Pairs whose writings are read at once."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A process and a table it writes."""

    process: int
    target: int


_Known = dict[Key, list[tuple[int, Interval]]]
"""The rows there are of each edge, with their ids, in the order of their time."""


@dataclass
class _Changes:
    """What has to be written."""

    insert: list[tuple[Pair, Key, Interval]] = field(default_factory=list)
    update: list[tuple[int, Interval]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


async def update(connection: Connection, wanted: Mapping[Pair, datetime | None]) -> None:
    """Bring the edges of processes into tables up to date.

    With each pair goes a time when all that changed are writings at or after that time, to which nothing later is
    known; then what was before is read from the open edges. With None, every edge is made anew.
    """
    pairs = list(wanted)
    for first in range(0, len(pairs), _TOGETHER):
        await _together(connection, {pair: wanted[pair] for pair in pairs[first : first + _TOGETHER]})


async def _together(connection: Connection, wanted: Mapping[Pair, datetime | None]) -> None:
    existing = await _existing(connection, wanted)
    before = await _before(connection, wanted)
    writings, complete = await _writings(connection, before)
    changes = _Changes()
    for pair, since in before.items():
        known = existing.get(pair, {})
        start = _start(known, since) if since is not None else History()
        _compare(pair, known, history(writings.get(pair, ()), complete, start), changes)
    await _insert(connection, changes.insert)
    await _update(connection, changes.update)
    await tell(connection, "edge", changes.told)


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


async def _before(connection: Connection, wanted: Mapping[Pair, datetime | None]) -> dict[Pair, datetime | None]:
    """Return from when on the writings of each pair count: those before were removed, or are in the open edges."""
    found = dict(wanted)
    if whole := [pair for pair, since in wanted.items() if since is None]:
        cursor = await connection.execute(_FORGOTTEN, _columns(whole))
        found |= {Pair(*row[:2]): row[2] for row in await cursor.fetchall()}
    return found


async def _writings(
    connection: Connection, since: Mapping[Pair, datetime | None]
) -> tuple[dict[Pair, list[Writing]], set[UUID]]:
    cursor = await connection.execute(_WRITINGS, [*_columns(since), list(since.values())])
    rows = await cursor.fetchall()
    cursor = await connection.execute(
        "SELECT shape_id, edges, expressions FROM shape WHERE shape_id = ANY(%s)", (list({row[6] for row in rows}),)
    )
    shapes = {
        row[0]: [_edge(item, text) for item, text in zip(row[1], row[2], strict=True)]
        for row in await cursor.fetchall()
    }
    found: dict[Pair, list[Writing]] = {}
    for row in rows:
        one = Writing(run=row[2], process_run=row[3], at=row[4], ends=row[5], edges=shapes[row[6]])
        found.setdefault(Pair(row[0], row[1]), []).append(one)
    return found, {row[3] for row in rows if row[7]}


def _edge(item: Sequence[Any], expression: str) -> tuple[Key, Detail]:
    source_node, source_field, target_field, how, believed = item
    return Key(source_node, source_field, target_field, how), Detail(believed, expression)


async def _existing(connection: Connection, wanted: Mapping[Pair, datetime | None]) -> dict[Pair, _Known]:
    cursor = await connection.execute(_EXISTING, [*_columns(wanted), [since is None for since in wanted.values()]])
    found: dict[Pair, _Known] = {}
    for row in await cursor.fetchall():
        interval = Interval(row[7], row[8], row[9], row[10], Detail(row[11], row[12]), row[13])
        found.setdefault(Pair(row[0], row[1]), {}).setdefault(Key(*row[3:7]), []).append((row[2], interval))
    return found


def _columns(pairs: Iterable[Pair]) -> list[list[int]]:
    pairs = list(pairs)
    return [[pair.process for pair in pairs], [pair.target for pair in pairs]]


def _compare(pair: Pair, existing: _Known, wanted: History, changes: _Changes) -> None:
    """Note what differs. An edge that never was is withdrawn rather than deleted, so that sinks can follow."""
    told: set[int] = set()
    for key in existing.keys() | wanted.intervals.keys():
        rows, intervals = existing.get(key, ()), wanted.intervals.get(key, [])
        changes.insert += [(pair, key, interval) for interval in intervals[len(rows) :]]
        if len(intervals) > len(rows):
            told.add(key.source_node)
        for index, (edge_id, known) in enumerate(rows):
            right = intervals[index] if index < len(intervals) else _withdrawn(known)
            if right != known:
                changes.update.append((edge_id, right))
                if (right.ended_at is None) != (known.ended_at is None):
                    told.add(key.source_node)
    changes.told |= {f"{source}:{pair.target}" for source in told}


def _withdrawn(interval: Interval) -> Interval:
    return replace(interval, ended_at=interval.first_seen)


async def _insert(connection: Connection, edges: Iterable[tuple[Pair, Key, Interval]]) -> None:
    rows = [
        (
            pair.target, pair.process, key.source_node, key.source_field, key.target_field,
            key.how == "" or key.how in DIRECT, key.how,
            *one.detail, one.first_seen, one.last_seen, one.ended_at, one.first_run, one.last_run,
        )
        for pair, key, one in sorted(edges, key=lambda item: (item[0].process, item[0].target, item[1]))
    ]  # fmt: skip
    if rows:
        await connection.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])


async def _update(connection: Connection, edges: Iterable[tuple[int, Interval]]) -> None:
    rows = [
        (edge_id, one.first_seen, one.last_seen, one.ended_at, one.first_run, one.last_run, *one.detail)
        for edge_id, one in edges
    ]
    if rows:
        await connection.execute(_UPDATE, [list(column) for column in zip(*rows, strict=True)])
