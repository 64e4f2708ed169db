"""Runs that are due, each with its events merged, and what is known of their parents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.merge import Json, facet, merge
from lakehold.lineage.graph.processes import Run
from lakehold.lineage.graph.take import STAGE, read

Connection = AsyncConnection[TupleRow]

_HALF = 20
"""Of a run's events, so many of its first and of its last are read: what it repeats every minute is nothing new."""
_HALF_OF_LARGE = 2
_LARGE_BYTES = 16 * 1024 * 1024
"""Of events that are read at once, and from which on of a single run only a few are."""

_ENDS: LiteralString = """LATERAL (
    (SELECT event_id FROM event WHERE event.run_id = wanted.run_id ORDER BY event_time, digest LIMIT wanted.half)
    UNION (SELECT event_id FROM event WHERE event.run_id = wanted.run_id
           ORDER BY event_time DESC, digest DESC LIMIT wanted.half)) AS ends"""
_WAITING: LiteralString = f"""
SELECT wanted.run_id, mark, coalesce(sum(octet_length(body)), 0)
FROM (SELECT run_id, at, mark, {_HALF} AS half FROM due ORDER BY at, run_id LIMIT %s) AS wanted
LEFT JOIN {_ENDS} ON true LEFT JOIN event e USING (event_id)
GROUP BY at, wanted.run_id, mark ORDER BY at, wanted.run_id
"""  # noqa: S608 - constants only
_EVENTS: LiteralString = f"""
SELECT wanted.run_id, body FROM unnest(%s::uuid[], %s::int[]) AS wanted (run_id, half)
CROSS JOIN {_ENDS} JOIN event e USING (event_id) ORDER BY wanted.run_id, event_time, digest
"""  # noqa: S608 - constants only
# Of snapshots that the catalog's reader only guesses to be of an application, none says that a run has written.
_RUNS: LiteralString = """
SELECT r.run_id, j.namespace, j.name, r.parent_run_id, r.parent_job_namespace, r.parent_job_name, r.ended_as,
       r.ended_at, r.first_seen, r.last_seen, r.process_id, r.process_run,
       EXISTS (SELECT 1 FROM snapshot s
               WHERE s.run_id = r.run_id AND (s.matched_by IS NOT NULL OR s.maker = r.run_id)),
       EXISTS (SELECT 1 FROM statement s WHERE s.run_id = r.run_id),
       EXISTS (SELECT 1 FROM assertion_result a WHERE a.run_id = r.run_id), r.problem
FROM run r JOIN job j USING (job_id) WHERE r.run_id = ANY(%s) AND NOT r.sealed ORDER BY r.first_seen, r.run_id
"""
_DONE: LiteralString = """
DELETE FROM due USING unnest(%s::uuid[], %s::bigint[]) AS done (run_id, mark)
WHERE due.run_id = done.run_id AND due.mark = done.mark
"""
_GIVE_UP: LiteralString = f"""
WITH odd AS ({_DONE} RETURNING due.run_id)
UPDATE run SET problem = %s FROM odd WHERE run.run_id = odd.run_id
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run's place in the queue, and how large the events of it are that will be read."""

    mark: int
    size: int


@dataclass(kw_only=True, slots=True)
class DueRun:
    """A run to derive."""

    run: Run
    first_seen: datetime
    last_seen: datetime
    ended_as: str | None
    ended_at: datetime | None
    process_id: int | None
    process_run: UUID | None
    committed: bool
    """Whether the catalog has a snapshot that it made."""
    said: bool
    """Whether a statement of it is on record."""
    tested: bool
    """Whether results of gates of it are on record."""
    problem: str | None = None
    merged: Json = field(default_factory=dict)

    @property
    def streams(self) -> bool:
        """Whether it writes for as long as it runs, rather than at its end."""
        return facet(self.merged, "job", "jobType").get("processingType") == "STREAMING"

    @property
    def at(self) -> datetime:
        """When what it wrote was there: at its end, or from its beginning on."""
        return self.first_seen if self.ended_at is None or self.streams else self.ended_at

    @property
    def wrote(self) -> bool:
        """Whether what it says it writes is written: an engine commits at the end of a statement or not at all."""
        if self.committed or self.streams:
            return True
        return self.ended_as == "COMPLETE" or (
            self.ended_as is None and self.merged.get("eventType") in (None, "OTHER")
        )


async def waiting(connection: Connection, limit: int) -> dict[UUID, Waiting]:
    """Return the runs to take now, the oldest first, as many as are not too much to read at once."""
    cursor = await connection.execute(_WAITING, (limit,))
    found: dict[UUID, Waiting] = {}
    total = 0
    for run, mark, size in await cursor.fetchall():
        total += size
        if found and total > _LARGE_BYTES:
            break
        found[run] = Waiting(mark, size)
    return found


async def load(connection: Connection, taken: Mapping[UUID, Waiting]) -> list[DueRun]:
    """Return these runs, each with its events; without those whose events are gone, which stay as they are."""
    cursor = await connection.execute(_RUNS, (list(taken),))
    found = {row[0]: _due(row) for row in await cursor.fetchall()}
    halves = [_HALF if taken[run].size <= _LARGE_BYTES else _HALF_OF_LARGE for run in found]
    cursor = await connection.execute(_EVENTS, (list(found), halves))
    bodies: dict[UUID, list[dict[str, Any]]] = {}
    async for run_id, body in cursor:
        bodies.setdefault(run_id, []).append(read(body))
    for run_id, events in bodies.items():
        found[run_id].merged = merge(events)
    return [one for one in found.values() if one.merged]


def _due(row: TupleRow) -> DueRun:
    parent_job = (row[4], row[5]) if row[4] is not None and row[5] is not None else None
    return DueRun(
        run=Run(run_id=row[0], job=(row[1], row[2]), parent_run_id=row[3], parent_job=parent_job),
        ended_as=row[6],
        ended_at=row[7],
        first_seen=row[8],
        last_seen=row[9],
        process_id=row[10],
        process_run=row[11],
        committed=row[12],
        said=row[13],
        tested=row[14],
        problem=row[15],
    )


async def done(connection: Connection, taken: Mapping[UUID, Waiting]) -> None:
    """Take runs off the queue, unless they were queued again meanwhile."""
    await connection.execute(_DONE, _places(taken))


async def give_up(connection: Connection, taken: Mapping[UUID, Waiting], problem: str) -> int:
    """Take runs off the queue without deriving them, and say why; unless another process has derived them meanwhile."""
    async with connection.transaction():
        await connection.execute("SELECT 1 FROM stage WHERE name = %s FOR UPDATE", (STAGE,))
        cursor = await connection.execute(_GIVE_UP, [*_places(taken), problem])
    return cursor.rowcount


def _places(taken: Mapping[UUID, Waiting]) -> list[Iterable[object]]:
    return [list(taken), [one.mark for one in taken.values()]]
