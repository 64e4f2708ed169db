"""Runs that are due, each with its events merged, and what is known of their parents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.merge import Json, facet, merge
from lakehold.lineage.graph.processes import Run
from lakehold.lineage.graph.take import read

Connection = AsyncConnection[TupleRow]

_HALF = 20
"""Of a run's events, so many of its first and of its last are read: what it repeats every minute is nothing new."""
_HALF_OF_LARGE = 2
_LARGE_BYTES = 16 * 1024 * 1024
"""Of events that are read at once, and from which on of a single run only a few are."""

_SIZES = """
SELECT due.run_id, coalesce(sum(octet_length(body)), 0)
FROM (SELECT run_id FROM due ORDER BY run_id LIMIT %s) AS due LEFT JOIN event USING (run_id)
GROUP BY 1 ORDER BY 1
"""
_TAKE = "DELETE FROM due WHERE run_id = ANY(%s)"
_RUNS = """
SELECT r.run_id, j.namespace, j.name, r.parent_run_id, r.parent_job_namespace, r.parent_job_name, r.ended_as,
       coalesce(r.ended_at, r.last_seen), r.first_seen, r.process_id, r.process_run,
       EXISTS (SELECT 1 FROM snapshot s WHERE s.run_id = r.run_id), r.problem
FROM run r JOIN job j USING (job_id) WHERE r.run_id = ANY(%s) AND NOT r.sealed ORDER BY r.first_seen, r.run_id
"""
_EVENTS = """
SELECT run_id, body FROM (
    SELECT run_id, body, event_time, digest, half, count(*) OVER (PARTITION BY run_id) AS events,
           row_number() OVER (PARTITION BY run_id ORDER BY event_time, digest) AS number
    FROM event JOIN unnest(%s::uuid[], %s::int[]) AS wanted (run_id, half) USING (run_id)
    WHERE kind = 'run') AS numbered
WHERE number <= half OR number > events - half ORDER BY run_id, event_time, digest
"""


@dataclass(kw_only=True, slots=True)
class DueRun:
    """A run to derive. ``wrote``: it is known to have finished its writing, so that what it says of it is so."""

    run: Run
    at: datetime
    first_seen: datetime
    ended_as: str | None
    process_id: int | None
    process_run: UUID | None
    committed: bool
    """Whether the catalog has a snapshot that it made."""
    problem: str | None = None
    merged: Json = field(default_factory=dict)

    @property
    def wrote(self) -> bool:
        """Whether what it says it writes is written: an engine commits at the end of a statement or not at all."""
        if self.ended_as is not None:
            return self.ended_as == "COMPLETE" or self.committed
        streams = facet(self.merged, "job", "jobType").get("processingType") == "STREAMING"
        return self.committed or streams or self.merged.get("eventType") in (None, "OTHER")


async def take(connection: Connection, limit: int) -> tuple[int, list[DueRun]]:
    """Take runs off the queue: how many, and each with its events; a run whose events are gone stays as it is."""
    sizes = await _sizes(connection, limit)
    if not sizes:
        return 0, []
    await connection.execute(_TAKE, (list(sizes),))
    cursor = await connection.execute(_RUNS, (list(sizes),))
    found = {row[0]: _due(row) for row in await cursor.fetchall()}
    halves = [_HALF if sizes[run] <= _LARGE_BYTES else _HALF_OF_LARGE for run in found]
    cursor = await connection.execute(_EVENTS, (list(found), halves))
    bodies: dict[UUID, list[dict[str, Any]]] = {}
    async for run_id, body in cursor:
        bodies.setdefault(run_id, []).append(read(body))
    for run_id, events in bodies.items():
        found[run_id].merged = merge(events)
    return len(sizes), [one for one in found.values() if one.merged]


async def _sizes(connection: Connection, limit: int) -> dict[UUID, int]:
    """Return the runs to take now, as many as are not too much to read at once, with the bytes of their events."""
    cursor = await connection.execute(_SIZES, (limit,))
    sizes: dict[UUID, int] = {}
    total = 0
    for run, size in await cursor.fetchall():
        total += size
        if sizes and total > _LARGE_BYTES:
            break
        sizes[run] = size
    return sizes


def _due(row: TupleRow) -> DueRun:
    parent_job = (row[4], row[5]) if row[4] is not None and row[5] is not None else None
    return DueRun(
        run=Run(run_id=row[0], job=(row[1], row[2]), parent_run_id=row[3], parent_job=parent_job),
        ended_as=row[6],
        at=row[7],
        first_seen=row[8],
        process_id=row[9],
        process_run=row[10],
        committed=row[11],
        problem=row[12],
    )


async def give_up(connection: Connection, problem: str) -> int:
    """Take the first run off the queue without deriving it, and say why."""
    async with connection.transaction():
        taken = list(await _sizes(connection, 1))
        await connection.execute(_TAKE, (taken,))
        await connection.execute("UPDATE run SET problem = %s WHERE run_id = ANY(%s)", (problem, taken))
    return len(taken)
