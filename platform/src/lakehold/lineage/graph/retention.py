"""Remove what the policy does not keep, in small transactions; what is valid today always stays."""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

_MOST = 2000
"""Rows of one transaction, so that nobody waits for it."""

# A run whose events are gone is never derived again: it would seem to have read and written nothing.
_EVENTS: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT e.event_id, e.run_id FROM event e LEFT JOIN run r ON r.run_id = e.run_id
    WHERE e.event_id <= %(floor)s AND e.received_at < now() - make_interval(days => %(days)s)
        AND (r.run_id IS NULL OR r.ended_as IS NOT NULL OR r.closed_at IS NOT NULL)
    ORDER BY e.event_id LIMIT %(most)s),
sealed AS (UPDATE run SET sealed = true WHERE NOT sealed AND run_id IN (SELECT run_id FROM old))
DELETE FROM event WHERE event_id IN (SELECT event_id FROM old)
"""
_FLOOR: LiteralString = """
SELECT least((SELECT min(position) FROM stage), (SELECT min(position) FROM sink WHERE source = 'event'))
"""
_CHANGES: LiteralString = """
DELETE FROM change WHERE change_id IN (
    SELECT change_id FROM change
    WHERE change_id <= coalesce((SELECT min(position) FROM sink WHERE source = 'change'), 9223372036854775807)
        AND at < now() - interval '1 day' OR at < now() - make_interval(days => %(days)s)
    ORDER BY change_id LIMIT %(most)s)
"""

_ENDED: LiteralString = """
DELETE FROM edge WHERE edge_id IN (
    SELECT edge_id FROM edge WHERE ended_at < now() - make_interval(days => %(days)s) LIMIT %(most)s)
"""


async def apply(connection: AsyncConnection[TupleRow], *, events_days: int, history_days: int) -> None:
    """Remove everything that is older than it may be."""
    cursor = await connection.execute(_FLOOR)
    floor = (await cursor.fetchone() or (0,))[0]
    await _all(connection, _EVENTS, {"floor": floor, "days": events_days})
    await _all(connection, _CHANGES, {"days": events_days})
    await _all(connection, _ENDED, {"days": history_days})


async def _all(connection: AsyncConnection[TupleRow], statement: LiteralString, values: dict[str, object]) -> None:
    while True:
        async with connection.transaction():
            cursor = await connection.execute(statement, {**values, "most": _MOST})
        if cursor.rowcount < _MOST:
            return
