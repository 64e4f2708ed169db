"""Derive runs, jobs and datasets from the journal, step by step; each step is one transaction with its position.

The stage may be killed at any moment and started anywhere: its position moves in the transaction that holds its work,
and the row lock on the position lets one process work at a time. Nothing here depends on the order of events: an end
that arrives before its start gives the same tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.serving import serving

_STEP_EVENTS = 2000
_PAUSE_SECONDS = 0.25
"""Between steps, so that a stream of events is worked in by large steps and the receiver comes first."""
_LOOK_SECONDS = 5.0
"""How often to look for events another process received."""

_JOBS = """
INSERT INTO job (job_id, namespace, name, first_seen, last_seen)
SELECT name_key(job_namespace, job_name), job_namespace, job_name, min(event_time), max(event_time)
FROM event WHERE event_id > %(low)s AND event_id <= %(high)s AND job_name IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1
ON CONFLICT (job_id) DO UPDATE SET first_seen = least(job.first_seen, excluded.first_seen),
                                   last_seen = greatest(job.last_seen, excluded.last_seen)
"""
_DATASETS = """
INSERT INTO dataset (dataset_id, namespace, name, first_seen, last_seen)
SELECT name_key(d->>0, d->>1), d->>0, d->>1, min(event_time), max(event_time)
FROM event, jsonb_array_elements(inputs || outputs) AS d
WHERE event_id > %(low)s AND event_id <= %(high)s GROUP BY 1, 2, 3 ORDER BY 1
ON CONFLICT (dataset_id) DO UPDATE SET first_seen = least(dataset.first_seen, excluded.first_seen),
                                       last_seen = greatest(dataset.last_seen, excluded.last_seen)
"""
# ended_as is that of the latest end; two ends of the same microsecond are put in order by name, so order never matters.
_RUNS = """
INSERT INTO run (run_id, job_id, first_seen, last_seen, started_at, ended_at, ended_as, parent_run_id,
                 parent_job_namespace, parent_job_name, root_run_id, events)
SELECT run_id, (array_agg(name_key(job_namespace, job_name) ORDER BY event_id))[1], min(event_time), max(event_time),
       min(event_time) FILTER (WHERE event_type = 'START'),
       max(event_time) FILTER (WHERE event_type IN ('COMPLETE', 'FAIL', 'ABORT')),
       (array_agg(event_type ORDER BY event_time DESC, event_type DESC)
           FILTER (WHERE event_type IN ('COMPLETE', 'FAIL', 'ABORT')))[1],
       (array_agg(parent_run_id ORDER BY event_id) FILTER (WHERE parent_run_id IS NOT NULL))[1],
       (array_agg(parent_job_namespace ORDER BY event_id) FILTER (WHERE parent_job_name IS NOT NULL))[1],
       (array_agg(parent_job_name ORDER BY event_id) FILTER (WHERE parent_job_name IS NOT NULL))[1],
       (array_agg(root_run_id ORDER BY event_id) FILTER (WHERE root_run_id IS NOT NULL))[1],
       count(*)
FROM event WHERE event_id > %(low)s AND event_id <= %(high)s AND kind = 'run' GROUP BY run_id ORDER BY run_id
ON CONFLICT (run_id) DO UPDATE SET
    first_seen = least(run.first_seen, excluded.first_seen),
    last_seen = greatest(run.last_seen, excluded.last_seen),
    started_at = least(run.started_at, excluded.started_at),
    ended_at = greatest(run.ended_at, excluded.ended_at),
    ended_as = CASE WHEN run.ended_as IS NULL
                      OR (excluded.ended_at, excluded.ended_as) > (run.ended_at, run.ended_as)
                    THEN excluded.ended_as ELSE run.ended_as END,
    parent_run_id = coalesce(run.parent_run_id, excluded.parent_run_id),
    parent_job_namespace = coalesce(run.parent_job_namespace, excluded.parent_job_namespace),
    parent_job_name = coalesce(run.parent_job_name, excluded.parent_job_name),
    root_run_id = coalesce(run.root_run_id, excluded.root_run_id),
    closed_at = CASE WHEN excluded.last_seen > run.last_seen THEN NULL ELSE run.closed_at END,
    events = run.events + excluded.events
"""
_RUN_DATASETS = """
INSERT INTO run_dataset (run_id, direction, dataset_id)
SELECT DISTINCT run_id, direction, name_key(d->>0, d->>1)
FROM event, LATERAL (VALUES ('input', inputs), ('output', outputs)) AS side (direction, names),
     jsonb_array_elements(names) AS d
WHERE event_id > %(low)s AND event_id <= %(high)s AND kind = 'run' ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""


async def step(connection: AsyncConnection[TupleRow], limit: int = _STEP_EVENTS) -> int:
    """Work in up to ``limit`` further events; return how many. 0 also when another process is at it."""
    async with connection.transaction():
        cursor = await connection.execute("SELECT position FROM stage WHERE name = 'graph' FOR UPDATE SKIP LOCKED")
        row = await cursor.fetchone()
        if row is None:
            return 0
        low = row[0]
        cursor = await connection.execute(
            "SELECT count(*), max(event_id) FROM"
            " (SELECT event_id FROM event WHERE event_id > %s ORDER BY event_id LIMIT %s) AS next",
            (low, limit),
        )
        count, high = await cursor.fetchone() or (0, None)
        if not count:
            return 0
        for statement in (_JOBS, _DATASETS, _RUNS, _RUN_DATASETS):
            await connection.execute(statement, {"low": low, "high": high})
        await connection.execute("UPDATE stage SET position = %s WHERE name = 'graph'", (high,))
    return int(count)


class Deriver:
    """Runs :func:`step` whenever there is something to do."""

    def __init__(self, database: str, derived: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._derived = derived
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that events were committed."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; outlives PostgreSQL."""
        await serving(self._database, "graph", self._serve)

    async def _serve(self, connection: AsyncConnection[TupleRow]) -> None:
        while True:
            self._wake.clear()
            while await step(connection) == _STEP_EVENTS:
                await asyncio.sleep(0)
            self._derived()
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await asyncio.wait_for(self._wake.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
