"""Columns nobody knows the sources of, and why: what the latest run of each process that writes them could not say."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore.find import Statement, rows
from lakehold.lineage.explore.walk import VALID

# A run may write a table by several statements, and what one cannot say another may: a column that an edge of the
# process leads into is known. Where a statement could not be read at all ('' in unknown), no column of it is.
_UNKNOWN: LiteralString = """
SELECT DISTINCT ON (f.field_id, t.process_id)
    f.field_id AS field, f.name AS "column", u.value AS reason, t.process_id AS process, t.target_node AS node
FROM (SELECT DISTINCT target_node, process_id FROM ({those}) AS w) AS t
CROSS JOIN LATERAL (
    SELECT coalesce(r.process_run, r.run_id) AS run FROM statement s JOIN run r USING (run_id)
    WHERE s.target_node = t.target_node AND s.process_id = t.process_id AND s.at <= %(at)s
    ORDER BY s.at DESC LIMIT 1) AS latest
JOIN run r ON r.process_run = latest.run OR r.run_id = latest.run
JOIN statement s ON s.run_id = r.run_id AND s.target_node = t.target_node AND s.process_id = t.process_id
CROSS JOIN LATERAL jsonb_each_text(s.unknown) AS u
JOIN field f ON f.node_id = t.target_node AND (f.name = u.key OR u.key = '')
WHERE NOT EXISTS (SELECT 1 FROM edge e WHERE e.target_field = f.field_id AND e.process_id = t.process_id
    AND f.name <> '' AND {valid})
ORDER BY f.field_id, t.process_id, s.at DESC
LIMIT 10000
"""
_OF = _UNKNOWN.replace(
    "{those}",
    "SELECT target_node, process_id FROM statement WHERE target_node = %(node)s AND at <= %(at)s"
    " ORDER BY at DESC LIMIT 500",
).replace("{valid}", VALID)
_READING = _UNKNOWN.replace(
    "{those}",
    "SELECT target_node, process_id FROM edge e WHERE e.source_node = ANY(%(nodes)s) AND e.how = '' AND {valid}",
).replace("{valid}", VALID)


async def unknown_of(connection: AsyncConnection[TupleRow], node: int, at: datetime) -> list[dict[str, Any]]:
    """Return the columns of a table nobody knows the sources of: ``field``, ``column``, ``reason``, ``process``."""
    return await rows(connection, *statement_of(node, at))


def statement_of(node: int, at: datetime) -> Statement:
    """Return what :func:`unknown_of` asks."""
    return _OF, {"node": node, "at": at}


async def unknown_reading(
    connection: AsyncConnection[TupleRow], nodes: Collection[int], at: datetime
) -> list[dict[str, Any]]:
    """Return such columns of every table that a process makes from one of some tables."""
    return await rows(connection, _READING, {"nodes": list(nodes), "at": at})
