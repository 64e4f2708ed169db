"""Find the run that made each snapshot, by what the snapshot names and what events say.

A snapshot is explained when a run is known that says it wrote its table: Trino's by the query's id, Spark's by the
version an event names, or by its application and time, our own programs' by the task in the snapshot. A snapshot that
brings no rows (compaction, a table made empty) needs its run only. Where a run is known that did not say what it wrote,
``run_id`` is set and ``matched_by`` is not: what it read is not known.
"""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph import due

_QUERY = """
WITH found AS MATERIALIZED (
    SELECT s.node_id, s.snapshot_id, r.run_id FROM snapshot s JOIN run r ON r.run_id = s.maker
    WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.summary ? 'trino_query_id'
        AND (wrote(r.run_id, s.node_id) OR (r.ended_as = 'COMPLETE' AND brings_no_rows(s.operation, s.summary))))
UPDATE snapshot s SET run_id = f.run_id, matched_by = 'query' FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""
# One of our programs, which reads no tables that lineage would have to know of.
_TASK = """
WITH found AS MATERIALIZED (
    SELECT s.node_id, s.snapshot_id, r.run_id FROM snapshot s JOIN run r ON r.run_id = s.maker
    WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.application IS NULL AND s.summary ? 'lakehold.program')
UPDATE snapshot s SET run_id = f.run_id, matched_by = 'task' FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""
# The end of a Spark statement names the snapshot it has made.
_VERSION = """
WITH found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM snapshot s
        JOIN clue c ON c.kind = 'version' AND c.value = s.snapshot_id::text JOIN run r ON r.run_id = c.run_id
    WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.operation <> 'view' AND wrote(r.run_id, s.node_id)
    ORDER BY 1, 2, r.ended_at, r.run_id)
UPDATE snapshot s SET run_id = f.run_id, matched_by = 'version' FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""
# Else a statement of the application that wrote the table at that time.
_APPLICATION = """
WITH found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM snapshot s
        JOIN clue c ON c.kind = 'application' AND c.value = s.application JOIN run r ON r.run_id = c.run_id,
        LATERAL (SELECT wrote(r.run_id, s.node_id)
            AND meanwhile(s.committed_at, coalesce(r.started_at, r.first_seen), r.ended_at) AS statement) AS look
    WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND (look.statement OR brings_no_rows(s.operation, s.summary))
    ORDER BY 1, 2, look.statement DESC, r.ended_at, r.run_id)
UPDATE snapshot s SET run_id = f.run_id, matched_by = 'application' FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""
# A view's version names nobody: the run that wrote the view at that time.
_TIME = """
WITH found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM snapshot s
        JOIN alias a ON a.node_id = s.node_id
        JOIN run_dataset d ON d.dataset_id = a.dataset_id AND d.direction = 'output' JOIN run r ON r.run_id = d.run_id
    WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.operation = 'view'
        AND meanwhile(s.committed_at, coalesce(r.started_at, r.first_seen), r.ended_at)
    ORDER BY 1, 2, r.ended_at, r.run_id)
UPDATE snapshot s SET run_id = f.run_id, matched_by = 'time' FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""
_RUN_ONLY = """
WITH named AS MATERIALIZED (
    SELECT node_id, snapshot_id, maker, application FROM snapshot
    WHERE matched_by IS NULL AND gone_at IS NULL AND run_id IS NULL),
found AS MATERIALIZED (
    SELECT DISTINCT ON (n.node_id, n.snapshot_id) n.node_id, n.snapshot_id, c.run_id FROM (
        SELECT node_id, snapshot_id, maker AS run_id, 1 AS place FROM named
        UNION ALL SELECT node_id, snapshot_id, clue.run_id, 2 FROM named
            JOIN clue ON clue.kind = 'application' AND clue.value = named.application) AS c
        JOIN run r ON r.run_id = c.run_id JOIN named n USING (node_id, snapshot_id)
    ORDER BY 1, 2, c.place, r.first_seen, c.run_id)
UPDATE snapshot s SET run_id = f.run_id FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) RETURNING s.run_id
"""


async def match(connection: AsyncConnection[TupleRow]) -> int:
    """Match what can be matched now; return how many snapshots were."""
    found: list[UUID] = []
    async with connection.transaction():
        for statement in (_QUERY, _TASK, _VERSION, _APPLICATION, _TIME):
            cursor = await connection.execute(statement)
            found += [run for (run,) in await cursor.fetchall()]
        matched = len(found)
        cursor = await connection.execute(_RUN_ONLY)
        found += [run for (run,) in await cursor.fetchall()]
        # A run that a snapshot names has written, even if nobody heard how it ended.
        await due.mark_runs(connection, sorted(set(found)))
    return matched
