"""The first half of the stage ``graph2``: from events to nodes, names and columns; their runs are queued.

Like the stage before it, each step is one transaction with its position, may be killed at any moment, and gives the
same tables in whatever order events come.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.columns import facets
from lakehold.lineage.database import lost
from lakehold.lineage.event import Name
from lakehold.lineage.graph import clues, due, names, nodes
from lakehold.lineage.graph.changes import gathered
from lakehold.lineage.graph.halving import by_halves
from lakehold.lineage.graph.merge import at as at_path
from lakehold.lineage.model import WHOLE, Table

STAGE = "graph2"

log = logging.getLogger(__name__)

_CREATE = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*create\b", re.IGNORECASE | re.DOTALL)

_MOST_BYTES = 16 * 1024 * 1024
"""Of events that are read at once; one event may be as large by itself."""

_WINDOW = """
SELECT count(*), max(event_id) FROM (
    SELECT event_id, row_number() OVER w AS number, sum(octet_length(body)) OVER w AS bytes FROM (
        SELECT event_id, body FROM event WHERE event_id > %(low)s
            AND event_id <= (SELECT position FROM stage WHERE name = 'graph') ORDER BY event_id LIMIT %(limit)s) AS next
    WINDOW w AS (ORDER BY event_id)) AS summed
WHERE number = 1 OR bytes <= %(bytes)s
"""
_EVENTS = """
SELECT event_time, run_id, body FROM event WHERE event_id > %s AND event_id <= %s ORDER BY event_id
"""


@dataclass
class Gathered:
    """What a window of events says, put together so that each table and column is written once."""

    catalog: str
    seen: dict[Name, tuple[datetime, datetime]] = field(default_factory=dict)
    places: dict[str, tuple[Table, datetime]] = field(default_factory=dict)
    columns: dict[tuple[Name, str], tuple[nodes.Told, datetime]] = field(default_factory=dict)
    runs: set[UUID] = field(default_factory=set)
    clues: set[tuple[str, str, UUID]] = field(default_factory=set)

    def add(self, at: datetime, run: UUID | None, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        if run is not None:
            self.runs.add(run)
            self.clues.update((*clue, run) for clue in clues.clues_of(event))
        whole = _lists_whole_tables(event)
        for side, name, dataset in names.datasets_of(event):
            linked = names.by_symlink(dataset, self.catalog)
            if linked is not None:
                place = names.place_of(*name)
                if place not in self.places or self.places[place][1] < at:
                    self.places[place] = linked, at
            first, last = self.seen.get(name, (at, at))
            self.seen[name] = min(first, at), max(last, at)
            columns = nodes.columns_told(dataset, whole=whole or (side == "outputs" and _makes_table(event)))
            if names.is_metadata(dataset, self.catalog):
                columns = []
            for column in [nodes.Told(name=WHOLE), *columns]:
                self._tell(name, column, at)

    def _tell(self, name: Name, column: nodes.Told, at: datetime) -> None:
        key = name, column.name
        known, since = self.columns.get(key, (column, at))
        merged = nodes.Told(
            name=column.name,
            type=known.type or column.type,
            position=known.position if known.position is not None else column.position,
            description=known.description or column.description,
        )
        self.columns[key] = merged, min(since, at)


def _lists_whole_tables(event: Mapping[str, Any]) -> bool:
    """Say whether schema facets list every column in order: Trino's have only what a query uses."""
    return facets.engine(event) != "trino"


def _makes_table(event: Mapping[str, Any]) -> bool:
    query = at_path(event, "job", "facets", "sql", "query")
    return isinstance(query, str) and _CREATE.match(query) is not None


@dataclass
class _Tried:
    """Which events a step was at: those after ``low``, up to ``high``."""

    low: int = 0
    high: int | None = None


async def step(connection: AsyncConnection[TupleRow], catalog: str, limit: int) -> int:
    """Take in up to ``limit`` further events; an event that is too odd for that is left out, loudly, the others not.

    Return how many; 0 also when another process is at it.
    """
    tried = _Tried()
    try:
        return await by_halves(connection, lambda some: _step(connection, catalog, some, tried), limit)
    except Exception as problem:
        if lost(problem) or connection.closed or tried.high is None:
            raise
        log.exception("event %s cannot be taken into the graph and is left out", tried.high)
        return await _skip(connection, tried)


async def _skip(connection: AsyncConnection[TupleRow], tried: _Tried) -> int:
    """Leave that event out, unless another process has taken it in meanwhile."""
    cursor = await connection.execute(
        "UPDATE stage SET position = %s WHERE name = %s AND position = %s", (tried.high, STAGE, tried.low)
    )
    return cursor.rowcount


async def _step(connection: AsyncConnection[TupleRow], catalog: str, limit: int, tried: _Tried) -> int:
    tried.high = None
    async with connection.transaction(), gathered(connection):
        cursor = await connection.execute("SELECT position FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED", (STAGE,))
        row = await cursor.fetchone()
        if row is None:
            return 0
        cursor = await connection.execute(_WINDOW, {"low": row[0], "limit": limit, "bytes": _MOST_BYTES})
        count, high = await cursor.fetchone() or (0, None)
        if not count:
            return 0
        tried.low, tried.high = row[0], high
        cursor = await connection.execute(_EVENTS, (row[0], high))
        window = Gathered(catalog)
        async for at, run, body in cursor:
            window.add(at, run, read(body))
        await _write(connection, window)
        await connection.execute("UPDATE stage SET position = %s WHERE name = %s", (high, STAGE))
    return int(count)


def read(body: str) -> dict[str, Any]:
    """Read the text of an event that was accepted."""
    try:
        event = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):  # what only the slower reader takes: numbers over 64 bits, say
        event = json.loads(body)
    return event if isinstance(event, dict) else {}


async def _write(connection: AsyncConnection[TupleRow], gathered: Gathered) -> None:
    await nodes.ensure_nodes(connection, {table: (at, at) for table, at in gathered.places.values()}, gathered.catalog)
    await nodes.ensure_places(connection, gathered.places)
    resolve = await nodes.resolver(connection, gathered.seen, gathered.catalog)
    raw = {name: resolve(*name) for name in gathered.seen}
    tables: dict[Table, tuple[datetime, datetime]] = {}
    for name, table in raw.items():
        (first, last), (earlier, later) = gathered.seen[name], tables.get(table, gathered.seen[name])
        tables[table] = min(first, earlier), max(last, later)
    await nodes.ensure_nodes(connection, tables, gathered.catalog)
    await nodes.ensure_aliases(connection, raw)
    known = await nodes.ids(connection, tables)
    told: dict[tuple[int, str], tuple[nodes.Told, datetime]] = {}
    for (name, column), (what, at) in gathered.columns.items():
        key = known[raw[name]], column
        if key not in told or at < told[key][1]:
            told[key] = what, at
    await nodes.ensure_fields(connection, told)
    await clues.write(connection, gathered.clues)
    await due.mark_runs(connection, gathered.runs)
