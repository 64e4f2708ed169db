"""Find the run that made each snapshot, by what the snapshot names and what events say.

A snapshot is explained when a run is known that says it wrote its table: Trino's by the query's id, Spark's by the
version an event names, or by its application and time, our own programs' by the task in the snapshot. A snapshot that
brings no rows (compaction, a table made empty) needs its run only. Where a run is known that did not say what it wrote,
``run_id`` is set and ``matched_by`` is not: what it read is not known.
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost
from lakehold.lineage.graph import due

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

PAGE = 500
"""Snapshots that are looked at together, so that no statement is a long one however many nobody explains."""

_PAGE = """
SELECT committed_at, node_id, snapshot_id FROM snapshot
WHERE matched_by IS NULL AND gone_at IS NULL
    AND (committed_at, node_id, snapshot_id) < (%(at)s::timestamptz, %(node)s::bigint, %(id)s::bigint)
ORDER BY committed_at DESC, node_id DESC, snapshot_id DESC LIMIT %(most)s
"""
_OPEN = """
WITH page AS MATERIALIZED (
    SELECT s.* FROM unnest(%(nodes)s::bigint[], %(ids)s::bigint[]) AS p (node_id, snapshot_id)
        JOIN snapshot s USING (node_id, snapshot_id) WHERE s.matched_by IS NULL),
"""
_QUERY = """
found AS MATERIALIZED (
    SELECT s.node_id, s.snapshot_id, r.run_id FROM page s JOIN run r ON r.run_id = s.maker
    WHERE s.summary ? 'trino_query_id'
        AND (wrote(r.run_id, s.node_id) OR (r.ended_as = 'COMPLETE' AND brings_no_rows(s.operation, s.summary))))
"""
# One of our programs, which reads no tables that lineage would have to know of.
_TASK = """
found AS MATERIALIZED (
    SELECT s.node_id, s.snapshot_id, r.run_id FROM page s JOIN run r ON r.run_id = s.maker
    WHERE s.application IS NULL AND s.summary ? 'lakehold.program')
"""
# The end of a Spark statement names the snapshot it has made.
_VERSION = """
found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM page s
        JOIN clue c ON c.kind = 'version' AND c.value = s.snapshot_id::text JOIN run r ON r.run_id = c.run_id
    WHERE s.operation <> 'view' AND wrote(r.run_id, s.node_id) ORDER BY 1, 2, r.ended_at, r.run_id)
"""
# Else a statement of the application that wrote the table at that time; to look at the time first costs least.
_APPLICATION = """
found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM page s
        JOIN clue c ON c.kind = 'application' AND c.value = s.application JOIN run r ON r.run_id = c.run_id,
        LATERAL (SELECT CASE WHEN meanwhile(s.committed_at, coalesce(r.started_at, r.first_seen), r.ended_at)
            THEN wrote(r.run_id, s.node_id) ELSE false END AS statement) AS look
    WHERE look.statement OR brings_no_rows(s.operation, s.summary)
    ORDER BY 1, 2, look.statement DESC, r.ended_at, r.run_id)
"""
# A view's version names nobody: the run that wrote the view at that time.
_TIME = """
found AS MATERIALIZED (
    SELECT DISTINCT ON (s.node_id, s.snapshot_id) s.node_id, s.snapshot_id, r.run_id FROM page s
        JOIN alias a ON a.node_id = s.node_id
        JOIN run_dataset d ON d.dataset_id = a.dataset_id AND d.direction = 'output' JOIN run r ON r.run_id = d.run_id
    WHERE s.operation = 'view' AND meanwhile(s.committed_at, coalesce(r.started_at, r.first_seen), r.ended_at)
    ORDER BY 1, 2, r.ended_at, r.run_id)
"""
_RUN_ONLY = """
named AS MATERIALIZED (SELECT node_id, snapshot_id, maker, application FROM page WHERE run_id IS NULL),
found AS MATERIALIZED (
    SELECT DISTINCT ON (c.node_id, c.snapshot_id) c.node_id, c.snapshot_id, c.run_id FROM (
        SELECT node_id, snapshot_id, maker AS run_id, 1 AS place FROM named
        UNION ALL SELECT node_id, snapshot_id, clue.run_id, 2 FROM named
            JOIN clue ON clue.kind = 'application' AND clue.value = named.application) AS c
        JOIN run r ON r.run_id = c.run_id
    ORDER BY 1, 2, c.place, r.first_seen, c.run_id)
"""
_SET = """
UPDATE snapshot s SET run_id = f.run_id, matched_by = coalesce(%(by)s, s.matched_by) FROM found f
WHERE (s.node_id, s.snapshot_id) = (f.node_id, f.snapshot_id) AND s.matched_by IS NULL RETURNING s.run_id
"""
_WAYS = (
    ("query", _QUERY), ("task", _TASK), ("version", _VERSION), ("application", _APPLICATION), ("time", _TIME),
    (None, _RUN_ONLY),
)  # fmt: skip

Place = dict[str, Any]
"""Where a page begins: below these values of ``committed_at``, ``node_id`` and ``snapshot_id``."""
_TOP: Place = {"at": "infinity", "node": 0, "id": 0}


class Matcher:
    """Goes through the snapshots that no run explains, a page at a time: the newest whenever there is something new."""

    def __init__(self) -> None:
        self._below: Place | None = None
        """How far down it has come; None when there is nothing below."""
        self._changed = False
        """Whether there was something new since it began to go down."""

    @property
    def under_way(self) -> bool:
        """Whether there are more to look at without anything new."""
        return self._below is not None

    async def step(self, connection: Connection, *, new: bool) -> int:
        """Look at a page further down, and at the newest if there is something new; return how many were matched."""
        below, matched = self._below, 0
        if new or below is None:
            matched, rest = await _page(connection, _TOP)
            if below is None:
                self._below = rest
                return matched
            self._changed = True
        more, self._below = await _page(connection, below)
        if self._below is None and self._changed:
            self._below, self._changed = _TOP, False
        return matched + more


async def _page(connection: Connection, below: Place) -> tuple[int, Place | None]:
    """Match one page; return how many snapshots were, and where the next page begins, if there is one."""
    cursor = await connection.execute(_PAGE, {**below, "most": PAGE})
    keys = await cursor.fetchall()
    page = {"nodes": [node for _, node, _ in keys], "ids": [snapshot for _, _, snapshot in keys]}
    matched = 0
    for way, statement in _WAYS if keys else ():
        try:
            async with connection.transaction():
                cursor = await connection.execute(_OPEN + statement + _SET, {**page, "by": way})
                runs = [run for (run,) in await cursor.fetchall()]
                # A run that a snapshot names has written, even if nobody heard how it ended.
                await due.mark_runs(connection, sorted(set(runs)))
        except psycopg.Error as problem:
            if lost(problem):
                raise
            # Too slow, most likely: the other ways, the other pages and all else the reader does are not.
            log.warning("snapshots are not matched by %s now: %s", way or "their run only", problem)
            continue
        matched += len(runs) if way else 0
    if len(keys) < PAGE:
        return matched, None
    at, node, snapshot = keys[-1]
    return matched, {"at": at, "node": node, "id": snapshot}
