"""Remove what the policy does not keep, in small transactions; what is valid today stays, however old.

Two spans decide: ``events`` for what was received and sent on, ``history`` for what was derived from it. Between the
two, a run is known but cannot be derived again: it is sealed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost
from lakehold.lineage.graph.forget import Writings

log = logging.getLogger(__name__)

_MOST = 2000
"""Rows of one transaction, so that nobody waits for it."""

_STAGES: LiteralString = "SELECT min(position) FROM stage WHERE name IN ('graph', 'graph2')"
_SINKS: LiteralString = "SELECT min(position) FROM sink WHERE reads = 'event'"
# A run whose events are gone is never derived again: it would seem to have read and written nothing. A sink that is
# behind for as long again is not waited for.
_EVENTS: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT e.event_id, e.run_id FROM event e LEFT JOIN run r ON r.run_id = e.run_id
    WHERE e.event_id <= %(stages)s AND e.received_at < now() - make_interval(days => %(events)s)
        AND (e.event_id <= %(sinks)s OR e.received_at < now() - make_interval(days => 2 * %(events)s))
        AND (r.run_id IS NULL OR r.ended_as IS NOT NULL OR r.closed_at IS NOT NULL)
    ORDER BY e.event_id LIMIT %(most)s),
sealed AS (UPDATE run SET sealed = true WHERE NOT sealed AND run_id IN (SELECT run_id FROM old))
DELETE FROM event WHERE event_id IN (SELECT event_id FROM old)
"""
_REJECTED: LiteralString = """
DELETE FROM rejected WHERE digest IN (
    SELECT digest FROM rejected WHERE last_seen < now() - make_interval(days => %(events)s)
    ORDER BY last_seen LIMIT %(most)s)
"""
# What every sink has been told is of no more use; what a sink was not told for so long, it has to read in the graph.
_CHANGES: LiteralString = """
DELETE FROM change WHERE change_id IN (
    SELECT change_id FROM change
    WHERE change_id <= coalesce((SELECT min(position) FROM sink WHERE reads = 'change'), 9223372036854775807)
        AND at < now() - interval '1 day' OR at < now() - make_interval(days => %(events)s)
    ORDER BY change_id LIMIT %(most)s)
"""
_EDGES: LiteralString = """
DELETE FROM edge WHERE edge_id IN (
    SELECT edge_id FROM edge WHERE ended_at < now() - make_interval(days => %(history)s)
    UNION ALL SELECT edge_id FROM edge WHERE ended_at = first_seen
        AND last_seen < now() - make_interval(days => %(events)s) LIMIT %(most)s)
"""
# The latest says which tables a process writes.
_SHAPES: LiteralString = """
DELETE FROM shape WHERE shape_id IN (
    SELECT shape_id FROM shape s WHERE NOT EXISTS (SELECT 1 FROM writing w WHERE w.shape_id = s.shape_id)
        AND EXISTS (SELECT 1 FROM shape n WHERE n.process_id = s.process_id AND n.target_node = s.target_node
                    AND n.shape_id > s.shape_id) LIMIT %(most)s)
"""
# A process that proved not to write a table.
_WITHDRAWN: LiteralString = """
WITH never AS MATERIALIZED (
    SELECT process_id, target_node FROM shape s
    WHERE NOT EXISTS (SELECT 1 FROM writing w WHERE w.process_id = s.process_id AND w.target_node = s.target_node)
        AND NOT EXISTS (SELECT 1 FROM forgotten f WHERE f.process_id = s.process_id AND f.target_node = s.target_node)
        AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.target_node = s.target_node AND e.process_id = s.process_id
                        AND (e.ended_at IS DISTINCT FROM e.first_seen OR e.last_seen > now() - interval '1 day'))
    LIMIT %(most)s),
edges AS (DELETE FROM edge e USING never n WHERE e.target_node = n.target_node AND e.process_id = n.process_id)
DELETE FROM shape s USING never n WHERE s.target_node = n.target_node AND s.process_id = n.process_id
"""
# The latest run of each process stays, and the one with the latest statement of each table.
_RUNS: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT run_id FROM run r WHERE r.first_seen < now() - make_interval(days => %(history)s)
        AND r.last_seen < now() - make_interval(days => %(history)s) AND r.sealed
        AND NOT EXISTS (SELECT 1 FROM writing w WHERE w.run_id = r.run_id)
        AND NOT EXISTS (SELECT 1 FROM writing w WHERE w.process_run = r.run_id)
        AND (r.process_id IS NULL OR EXISTS (
            SELECT 1 FROM run n WHERE n.process_id = r.process_id AND n.first_seen > r.first_seen))
        AND NOT EXISTS (SELECT 1 FROM statement s WHERE s.run_id = r.run_id AND NOT EXISTS (
            SELECT 1 FROM statement n WHERE n.target_node = s.target_node AND n.at > s.at)
            AND s.target_node IS NOT NULL)
    ORDER BY r.first_seen LIMIT %(most)s),
tested AS (DELETE FROM assertion_result WHERE run_id IN (SELECT run_id FROM old)),
said AS (DELETE FROM statement WHERE run_id IN (SELECT run_id FROM old)),
touched AS (DELETE FROM run_dataset WHERE run_id IN (SELECT run_id FROM old))
DELETE FROM run WHERE run_id IN (SELECT run_id FROM old)
"""
_JOBS: LiteralString = """
DELETE FROM job WHERE job_id IN (
    SELECT job_id FROM job j WHERE j.last_seen < now() - make_interval(days => %(history)s)
        AND NOT EXISTS (SELECT 1 FROM run r WHERE r.job_id = j.job_id) LIMIT %(most)s)
"""
_DATASETS: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT dataset_id FROM dataset d WHERE d.last_seen < now() - make_interval(days => %(history)s)
        AND NOT EXISTS (SELECT 1 FROM run_dataset r WHERE r.dataset_id = d.dataset_id) LIMIT %(most)s),
named AS (DELETE FROM alias WHERE dataset_id IN (SELECT dataset_id FROM old))
DELETE FROM dataset WHERE dataset_id IN (SELECT dataset_id FROM old)
"""
_SNAPSHOTS: LiteralString = """
DELETE FROM snapshot WHERE (node_id, snapshot_id) IN (
    SELECT node_id, snapshot_id FROM snapshot
    WHERE gone_at < now() - make_interval(days => %(history)s) LIMIT %(most)s)
"""
_REDERIVED: LiteralString = """
DELETE FROM rederived WHERE run_id IN (
    SELECT run_id FROM rederived d WHERE d.at < now() - make_interval(days => %(history)s)
        AND NOT EXISTS (SELECT 1 FROM run r WHERE r.run_id = d.run_id) LIMIT %(most)s)
"""
# A place that was taken for a file until it was known to be a table's; and what no name means any more. Edges may still
# be made from it: those of a writing that names it, whether there are any now or not.
_UNNAMED: LiteralString = """
WITH written_from AS MATERIALIZED (
    SELECT DISTINCT (edge->>0)::bigint AS node_id FROM shape s, jsonb_array_elements(s.edges) edge
    WHERE EXISTS (SELECT 1 FROM writing w WHERE w.shape_id = s.shape_id)),
old AS MATERIALIZED (
    SELECT node_id FROM node n WHERE n.kind IN ('file', 'other')
        AND NOT EXISTS (SELECT 1 FROM alias a WHERE a.node_id = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM location l WHERE l.node_id = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM edge e JOIN field f ON f.field_id = e.source_field
                        WHERE f.node_id = n.node_id AND e.ended_at IS DISTINCT FROM e.first_seen)
        AND NOT EXISTS (SELECT 1 FROM edge e
                        WHERE e.target_node = n.node_id AND e.ended_at IS DISTINCT FROM e.first_seen)
        AND NOT EXISTS (SELECT 1 FROM snapshot s WHERE s.node_id = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM shape s JOIN writing w USING (shape_id) WHERE s.target_node = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM statement s WHERE s.target_node = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM assertion_result r WHERE r.node_id = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM written_from f WHERE f.node_id = n.node_id)
        AND NOT EXISTS (SELECT 1 FROM due_pair)
    LIMIT %(most)s),
edges AS (
    DELETE FROM edge WHERE target_node IN (SELECT node_id FROM old)
        OR source_field IN (SELECT field_id FROM field JOIN old USING (node_id))),
shapes AS (DELETE FROM shape WHERE target_node IN (SELECT node_id FROM old)),
marks AS (DELETE FROM forgotten WHERE target_node IN (SELECT node_id FROM old)),
fields AS (DELETE FROM field WHERE node_id IN (SELECT node_id FROM old))
DELETE FROM node WHERE node_id IN (SELECT node_id FROM old)
"""
_PROCESSES: LiteralString = """
DELETE FROM process WHERE process_id IN (
    SELECT process_id FROM process p WHERE NOT EXISTS (SELECT 1 FROM run r WHERE r.process_id = p.process_id)
        AND NOT EXISTS (SELECT 1 FROM shape s WHERE s.process_id = p.process_id)
        AND NOT EXISTS (SELECT 1 FROM forgotten f WHERE f.process_id = p.process_id)
        AND NOT EXISTS (SELECT 1 FROM writing w WHERE w.process_id = p.process_id)
        AND NOT EXISTS (SELECT 1 FROM statement s WHERE s.process_id = p.process_id)
        AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.process_id = p.process_id) LIMIT %(most)s)
"""
# What is removed, the statement, and of how many at once: with some go many other rows.
_FIRST: tuple[tuple[str, LiteralString, int], ...] = (
    ("events", _EVENTS, _MOST),
    ("malformed bodies", _REJECTED, _MOST),
    ("changes", _CHANGES, _MOST),
    ("edges", _EDGES, _MOST),
)
_THEN: tuple[tuple[str, LiteralString, int], ...] = (
    ("shapes", _SHAPES, _MOST),
    ("withdrawn edges", _WITHDRAWN, 100),
    ("runs", _RUNS, _MOST),
    ("jobs", _JOBS, _MOST),
    ("datasets", _DATASETS, _MOST),
    ("snapshots", _SNAPSHOTS, _MOST),
    ("notes of runs that were told again", _REDERIVED, _MOST),
    ("unnamed nodes", _UNNAMED, 100),
    ("processes", _PROCESSES, _MOST),
)

Remove = Callable[[AsyncConnection[TupleRow]], Awaitable[bool]]
"""Removes some, within a transaction; whether there may be more."""


async def apply(connection: AsyncConnection[TupleRow], *, events_days: int, history_days: int) -> None:
    """Remove everything that is older than it may be; what cannot be removed now does not keep the rest."""
    stages = await _position(connection, _STAGES)
    sinks = await _position(connection, _SINKS)
    values = {
        "stages": stages or 0, "sinks": stages or 0 if sinks is None else sinks,
        "events": events_days, "history": history_days,
    }  # fmt: skip
    for what, statement, most in _FIRST:
        await _all(connection, what, _by(statement, {**values, "most": most}))
    await _all(connection, "writings", Writings(history_days, _MOST).remove)
    for what, statement, most in _THEN:
        await _all(connection, what, _by(statement, {**values, "most": most}))


async def _all(connection: AsyncConnection[TupleRow], what: str, remove: Remove) -> None:
    more = True
    try:
        while more:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = '60s'")
                # Neither stage works meanwhile; the second first, since who works in that may be at it for long.
                await connection.execute(
                    "SELECT 1 FROM stage WHERE name IN ('graph', 'graph2') ORDER BY name DESC FOR UPDATE"
                )
                more = await remove(connection)
    except psycopg.Error as problem:
        if lost(problem) or connection.closed:
            raise
        log.exception("old %s are not removed now", what)


def _by(statement: LiteralString, values: Mapping[str, int]) -> Remove:
    async def remove(connection: AsyncConnection[TupleRow]) -> bool:
        cursor = await connection.execute(statement, values)
        return cursor.rowcount >= values["most"]

    return remove


async def _position(connection: AsyncConnection[TupleRow], statement: LiteralString) -> int | None:
    cursor = await connection.execute(statement)
    row = await cursor.fetchone()
    return row[0] if row else None
