"""Remove old writings of each process into each table, in such a way that what is left still makes the same edges.

Edges are made by going through the writings since a time, ``forgotten.before``, from what was valid then. That time
must not lie within a run of the process: the rest of the run alone would say that it read less than it did.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

_PAIRS: LiteralString = """
SELECT process_id, target_node FROM writing w
WHERE (process_id, target_node) > (%(process)s, %(target)s) AND at < now() - make_interval(days => %(history)s)
    AND NOT EXISTS (SELECT 1 FROM due_pair d WHERE d.process_id = w.process_id AND d.target_node = w.target_node)
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100
"""
# Runs of a process that overlap are one stretch. What streams for years is cut all the same: it ends no edge while it
# runs, and when it ends, what it did not read any more for so long does not count.
_NOTE: LiteralString = """
WITH run AS (
    SELECT process_id, target_node, process_run, min(at) AS began, max(at) AS ended
    FROM writing JOIN unnest(%(processes)s::bigint[], %(targets)s::bigint[]) AS p (process_id, target_node)
        USING (process_id, target_node) GROUP BY 1, 2, 3),
follows AS (
    SELECT *, now() - make_interval(days => %(history)s) AS bound,
        max(ended) OVER (PARTITION BY process_id, target_node ORDER BY began, ended, process_run
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS others_end FROM run)
INSERT INTO forgotten (process_id, target_node, before)
SELECT process_id, target_node, CASE
        WHEN max(ended) FILTER (WHERE began < bound) < bound THEN bound
        ELSE greatest(max(began) FILTER (WHERE began < bound AND (others_end IS NULL OR others_end < began)),
                      bound - interval '30 days') END
FROM follows GROUP BY process_id, target_node, bound ORDER BY 1, 2
ON CONFLICT (process_id, target_node) DO UPDATE SET before = excluded.before WHERE excluded.before > forgotten.before
"""
_REMOVE: LiteralString = """
DELETE FROM writing WHERE (run_id, target_node) IN (
    SELECT run_id, target_node FROM writing w JOIN forgotten f USING (process_id, target_node)
    JOIN unnest(%(processes)s::bigint[], %(targets)s::bigint[]) AS p (process_id, target_node)
        USING (process_id, target_node)
    WHERE w.at < f.before LIMIT %(most)s)
"""


class Writings:
    """Goes through all pairs of process and table that have something old, some at each turn."""

    def __init__(self, history_days: int, most: int) -> None:
        self._history = history_days
        self._most = most
        self._last = (-1, -1)
        self._pairs: list[TupleRow] = []

    async def remove(self, connection: AsyncConnection[TupleRow]) -> bool:
        """Remove some, within the caller's transaction; return whether there may be more."""
        if not self._pairs:
            process, target = self._last
            cursor = await connection.execute(_PAIRS, {"process": process, "target": target, "history": self._history})
            self._pairs = await cursor.fetchall()
            if not self._pairs:
                return False
            await connection.execute(_NOTE, {**self._names(), "history": self._history})
        cursor = await connection.execute(_REMOVE, {**self._names(), "most": self._most})
        if cursor.rowcount < self._most:
            self._last = self._pairs[-1][0], self._pairs[-1][1]
            self._pairs = []
        return True

    def _names(self) -> dict[str, list[int]]:
        return {"processes": [pair[0] for pair in self._pairs], "targets": [pair[1] for pair in self._pairs]}
