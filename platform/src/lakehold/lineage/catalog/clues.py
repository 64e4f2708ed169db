"""What events say that leads from a snapshot to a run: a stage behind ``graph``, restartable like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.take import read

STAGE = "catalog"
_LONGEST = 200
"""Characters of an application's id or a version; what is longer is neither."""
_WINDOW = """
SELECT count(*), max(event_id) FROM (
    SELECT event_id FROM event WHERE event_id > %(low)s
        AND event_id <= (SELECT position FROM stage WHERE name = 'graph') ORDER BY event_id LIMIT %(limit)s) AS next
"""
_EVENTS = """
SELECT run_id, body FROM event WHERE event_id > %s AND event_id <= %s AND kind = 'run'
AND (strpos(body, '"applicationId"') > 0 OR strpos(body, '"datasetVersion"') > 0) ORDER BY event_id
"""
_KEEP = """
INSERT INTO clue (kind, value, run_id)
SELECT c.* FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS c (kind, value, run_id) ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""

Clue = tuple[str, str]
"""``application`` or ``version``, and its id."""


async def step(connection: AsyncConnection[TupleRow], limit: int = 2000) -> int:
    """Look at up to ``limit`` further events; return how many."""
    async with connection.transaction():
        cursor = await connection.execute("SELECT position FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED", (STAGE,))
        row = await cursor.fetchone()
        if row is None:
            return 0
        cursor = await connection.execute(_WINDOW, {"low": row[0], "limit": limit})
        count, high = await cursor.fetchone() or (0, None)
        if not count:
            return 0
        cursor = await connection.execute(_EVENTS, (row[0], high))
        found = {(*clue, run) for run, body in await cursor.fetchall() for clue in clues_of(read(body))}
        if found:
            await connection.execute(_KEEP, [list(column) for column in zip(*sorted(found, key=_order), strict=True)])
        await connection.execute("UPDATE stage SET position = %s WHERE name = %s", (high, STAGE))
    return int(count)


def clues_of(event: Mapping[str, Any]) -> Iterator[Clue]:
    """Yield the Spark application the run belongs to, and the snapshots it says it made."""
    facets = _object(_object(event, "run"), "facets")
    application = _object(facets, "spark_applicationDetails").get("applicationId")
    if _short(application):
        yield "application", str(application)
    outputs = event.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        version = _object(_object(output, "facets"), "version").get("datasetVersion")
        if _short(version) and str(version).isdecimal():
            yield "version", str(version)


def _object(holder: Any, key: str) -> Mapping[str, Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isascii() and value.isprintable()


def _order(clue: tuple[str, str, UUID]) -> tuple[str, str, str]:
    return clue[0], clue[1], str(clue[2])
