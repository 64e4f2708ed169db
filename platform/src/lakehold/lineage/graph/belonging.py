"""The table ``process``, and which of its rows runs belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph import due
from lakehold.lineage.graph.changes import tell
from lakehold.lineage.graph.processes import Belongs, Process, belongs
from lakehold.lineage.graph.runs import DueRun

Connection = AsyncConnection[TupleRow]

# A child that was heard before the task that started it could not know what it was.
_ENSURE = """
INSERT INTO process (namespace, name, kind, first_seen, last_seen)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS p ORDER BY 1, 2
ON CONFLICT (key) DO UPDATE SET first_seen = least(process.first_seen, excluded.first_seen),
                                last_seen = greatest(process.last_seen, excluded.last_seen),
                                kind = CASE WHEN excluded.kind = 'task' THEN 'task' ELSE process.kind END
RETURNING process_id, namespace, name, xmax = 0
"""
# The stage before changes runs in the order of their ids.
_LOCK = "SELECT 1 FROM run WHERE run_id = ANY(%s) ORDER BY run_id FOR NO KEY UPDATE"
_MOVE = """
UPDATE run SET process_id = m.process_id, process_run = m.process_run
FROM unnest(%s::uuid[], %s::bigint[], %s::uuid[]) AS m (run_id, process_id, process_run) WHERE run.run_id = m.run_id
"""
_PROBLEMS = """
UPDATE run SET problem = p.problem FROM unnest(%s::uuid[], %s::text[]) AS p (run_id, problem)
WHERE run.run_id = p.run_id
"""
_KNOWN = """
SELECT r.run_id, r.process_run, p.namespace, p.name, p.kind
FROM run r JOIN process p USING (process_id) WHERE r.run_id = ANY(%s) AND r.process_run IS NOT NULL
"""


async def settle(connection: Connection, found: Sequence[DueRun]) -> dict[UUID, tuple[Belongs, int]]:
    """Decide what each run belongs to, with the process's id; :func:`write` puts it down."""
    belonging = await _decide(connection, found)
    ids = await _ensure(connection, [(belonging[one.run.run_id], one) for one in found if one.run.run_id in belonging])
    return {run: (own, ids[own.process.namespace, own.process.name]) for run, own in belonging.items()}


async def write(
    connection: Connection,
    found: Sequence[DueRun],
    settled: Mapping[UUID, tuple[Belongs, int]],
    problems: Mapping[UUID, str | None],
) -> None:
    """Say of each run what it belongs to and what is wrong with it; what that changes for others is derived again.

    The last of a step: until it is committed the stage before, which works in the next events, waits for these rows.
    """
    moved: list[tuple[UUID, int | None, UUID | None]] = []
    for one in found:
        own = settled.get(one.run.run_id)
        place = (own[1], own[0].run) if own is not None else (None, None)
        if place != (one.process_id, one.process_run):
            moved.append((one.run.run_id, *place))
    ids = [row[0] for row in moved]
    await connection.execute(_LOCK, ([*ids, *problems],))
    if moved:
        await connection.execute(_MOVE, [list(column) for column in zip(*moved, strict=True)])
        await due.mark_children(connection, ids, _after_their_parent(found))
    if problems:
        await connection.execute(_PROBLEMS, (list(problems), list(problems.values())))


def _after_their_parent(found: Sequence[DueRun]) -> list[UUID]:
    """Return the runs that were derived with what their parent belongs to now."""
    seen: set[UUID] = set()
    after: list[UUID] = []
    for one in found:
        if one.run.parent_run_id in seen:
            after.append(one.run.run_id)
        seen.add(one.run.run_id)
    return after


async def _decide(connection: Connection, found: Sequence[DueRun]) -> dict[UUID, Belongs]:
    """A parent in ``found`` comes before its children; if not, these are derived again when it has."""
    parents = [one.run.parent_run_id for one in found if one.run.parent_run_id is not None]
    known = await _known(connection, [*parents, *(one.run.run_id for one in found)])
    belonging: dict[UUID, Belongs] = {}
    for one in found:
        above = one.run.parent_run_id
        parent = known.get(above) if above is not None and above != one.run.run_id else None
        own = belongs(one.run, one.merged, parent)
        if own is not None:
            known[one.run.run_id] = belonging[one.run.run_id] = own
    return belonging


async def _known(connection: Connection, runs: Sequence[UUID]) -> dict[UUID, Belongs]:
    cursor = await connection.execute(_KNOWN, (list(runs),))
    return {row[0]: Belongs(Process(row[2], row[3], row[4]), row[1]) for row in await cursor.fetchall()}


async def _ensure(connection: Connection, belonging: Sequence[tuple[Belongs, DueRun]]) -> Mapping[tuple[str, str], int]:
    """Make the processes that are missing, and return the id of each by its name."""
    rows: dict[tuple[str, str], tuple[str, datetime, datetime]] = {}
    for own, one in belonging:
        key, kind = (own.process.namespace, own.process.name), own.process.kind
        known_kind, first, last = rows.get(key, (kind, one.first_seen, one.last_seen))
        best = "task" if "task" in (kind, known_kind) else known_kind
        rows[key] = best, min(first, one.first_seen), max(last, one.last_seen)
    if not rows:
        return {}
    values = [(*key, *rest) for key, rest in rows.items()]
    cursor = await connection.execute(_ENSURE, [list(column) for column in zip(*values, strict=True)])
    made = await cursor.fetchall()
    await tell(connection, "process", [row[0] for row in made if row[3]])
    return {(row[1], row[2]): row[0] for row in made}
