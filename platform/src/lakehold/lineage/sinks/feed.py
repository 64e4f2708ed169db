"""What a sink is to be told next: windows of events or changes above its position, bounded in number and bytes."""

from __future__ import annotations

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.sinks.model import Item

MOST_ITEMS = 500
"""In one window."""
_TURN = 5_270_011
"""Key of the advisory lock that everybody shares who writes changes, until he commits (trigger change_in_turn)."""
_MOST_BYTES = 8 * 1024 * 1024
"""Of the events in one window (one event may be larger), so that memory stays the same however much waits."""

_EVENTS = """
SELECT event_id, run_id, job_namespace, job_name, inputs || outputs, body FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY event_id) AS bytes, row_number() OVER (ORDER BY event_id) AS place
    FROM (SELECT event_id, run_id, job_namespace, job_name, inputs, outputs, body FROM event
          WHERE event_id > %s ORDER BY event_id LIMIT %s) AS next) AS sized
WHERE bytes <= %s OR place = 1 ORDER BY event_id
"""
_NEWEST = """
SELECT event_id, body FROM event WHERE event_id > %s ORDER BY event_id DESC LIMIT %s
"""
_CHANGES = """
SELECT change_id, kind, id FROM change WHERE change_id > %s AND change_id <= %s ORDER BY change_id LIMIT %s
"""

# Everything there is, in the order it has to be told; each part from the key it was left at. Runs and results of the
# last month are history enough for a catalog that begins.
_PARTS = {
    "node": "SELECT node_id::text FROM node WHERE node_id > coalesce(nullif(%(after)s, ''), '0')::bigint"
    " ORDER BY node_id LIMIT %(most)s",
    "run": "SELECT r.run_id::text FROM run r WHERE r.parent_run_id IS NULL"
    " AND r.run_id > coalesce(nullif(%(after)s, ''), '00000000-0000-0000-0000-000000000000')::uuid"
    " AND r.first_seen > now() - interval '31 days' ORDER BY r.run_id LIMIT %(most)s",
    "edge": "SELECT DISTINCT source_node, target_node FROM edge WHERE how = '' AND ended_at IS NULL"
    " AND (source_node, target_node) > (coalesce(nullif(split_part(%(after)s, ':', 1), ''), '0')::bigint,"
    " coalesce(nullif(split_part(%(after)s, ':', 2), ''), '0')::bigint) ORDER BY 1, 2 LIMIT %(most)s",
    "quality": "SELECT DISTINCT run_id::text FROM assertion_result"
    " WHERE run_id > coalesce(nullif(%(after)s, ''), '00000000-0000-0000-0000-000000000000')::uuid"
    " AND at > now() - interval '31 days' ORDER BY 1 LIMIT %(most)s",
}


async def events(connection: AsyncConnection[TupleRow], position: int) -> list[Item]:
    """Return the next events, oldest first."""
    cursor = await connection.execute(_EVENTS, (position, MOST_ITEMS, _MOST_BYTES))
    return [
        Item(
            position=event_id,
            key=f"event:{event_id}",
            body=body,
            order=_order(run_id, job_namespace, job_name, datasets),
        )
        for event_id, run_id, job_namespace, job_name, datasets, body in await cursor.fetchall()
    ]


async def newest(connection: AsyncConnection[TupleRow], position: int, most: int) -> list[Item]:
    """Return the latest events, the newest first."""
    cursor = await connection.execute(_NEWEST, (position, most))
    return [Item(position=row[0], key=f"event:{row[0]}", body=row[1]) for row in await cursor.fetchall()]


def _order(
    run_id: object, job_namespace: str | None, job_name: str | None, datasets: list[list[str]]
) -> tuple[str, ...]:
    """Return what an event must keep its place among: its run, its job and its datasets."""
    names = [f"dataset {namespace}\n{name}" for namespace, name in datasets]
    run = [f"run {run_id}"] if run_id is not None else []
    job = [f"job {job_namespace}\n{job_name}"] if job_name is not None else []
    return (*run, *job, *names)


async def changes(connection: AsyncConnection[TupleRow], position: int, most: int = MOST_ITEMS) -> list[Item]:
    """Return the next changes, oldest first; none while a transaction that writes some stays open."""
    cursor = await connection.execute("SELECT max(change_id) FROM change")
    row = await cursor.fetchone()
    if row is None or row[0] is None or row[0] <= position:
        return []
    high = await settled(connection)
    if high is None:
        return []
    cursor = await connection.execute(_CHANGES, (position, high, most))
    return [Item(position=row[0], key=f"{row[1]}:{row[2]}") for row in await cursor.fetchall()]


async def settled(connection: AsyncConnection[TupleRow]) -> int | None:
    """Return a change_id up to which no number will appear any more; ``None`` while changes are being written.

    Numbers are given before their transaction commits, so a smaller one may come after a larger one. While nobody
    writes, all that were given are committed or never will be.
    """
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            await connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_TURN,))
            cursor = await connection.execute("SELECT coalesce(max(change_id), 0) FROM change")
            row = await cursor.fetchone()
    except psycopg.errors.LockNotAvailable:
        return None
    return int(row[0]) if row else 0


async def everything(
    connection: AsyncConnection[TupleRow], position: int, backfill: str, most: int = MOST_ITEMS
) -> tuple[list[Item], str | None]:
    """Return the next of everything there is, and how far that comes; ``None`` when it is the end."""
    kind, _, after = backfill.partition(":")
    kinds = list(_PARTS)
    for part in kinds[kinds.index(kind) :]:
        cursor = await connection.execute(_PARTS[part].encode(), {"after": after, "most": most})
        ids = [":".join(str(value) for value in row) for row in await cursor.fetchall()]
        if ids:
            return [Item(position=position, key=f"{part}:{id_}") for id_ in ids], f"{part}:{ids[-1]}"
        after = ""
    return [], None
