"""Edges that are made from all writings of a process into a table, because one that was known is different now."""

from __future__ import annotations

import logging

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost
from lakehold.lineage.graph import writings
from lakehold.lineage.graph.changes import gathered
from lakehold.lineage.graph.take import STAGE

log = logging.getLogger(__name__)

_PAIRS = 20
_ANEW_AFTER_SECONDS = 300.0
"""While runs are due, so that edges do not wait for the end of a long queue; and then one pair only between two steps,
since the next runs of the queue may change it again, and to make it may take a second."""

_LOCK = "SELECT 1 FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED"


async def make(connection: AsyncConnection[TupleRow], *, idle: bool) -> int:
    """Make all edges of pairs of which a writing changed: at the end, since the next run may change another."""
    most = _PAIRS if idle else 1
    for made in range(most):
        pair = None
        try:
            async with connection.transaction(), gathered(connection):
                await connection.execute("SET LOCAL statement_timeout = '60s'")
                cursor = await connection.execute(_LOCK, (STAGE,))
                if await cursor.fetchone() is None:
                    return made
                pair = await writings.oldest_due(connection, 0 if idle else _ANEW_AFTER_SECONDS)
                if pair is None:
                    return made
                await writings.make_anew(connection, pair)
        except Exception as odd:
            if lost(odd) or connection.closed or pair is None:
                raise
            log.exception("the edges of process %s into %s are not made anew now", pair.process, pair.target)
            await writings.put_off(connection, pair)
    return most
