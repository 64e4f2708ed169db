"""The second half of the stage ``graph2``: from runs that are due to their processes, statements, writings and edges.

What a run makes is a function of its events, its parent and the names known so far; when one of these changes, it is
queued again. So it does not matter in which order, or how often, runs are derived.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost, passing
from lakehold.lineage.event import storable
from lakehold.lineage.graph import anew, assertions, belonging, nodes, readings, runs, schemas, writings
from lakehold.lineage.graph.changes import gathered, tell
from lakehold.lineage.graph.edges import Pair
from lakehold.lineage.graph.halving import by_halves
from lakehold.lineage.graph.names import Resolver
from lakehold.lineage.graph.processes import ADDS_ONLY, Belongs
from lakehold.lineage.graph.readings import SqlReader, Statement, Written
from lakehold.lineage.graph.runs import DueRun, Waiting
from lakehold.lineage.graph.take import STAGE
from lakehold.lineage.graph.writings import EdgeRow, Put, Touched
from lakehold.lineage.model import WHOLE, Column, Reading, Table

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_REPLACES = frozenset({"create", "view"})
"""Statements after which nothing is left in the table of what was there before."""

_LOCK = "SELECT 1 FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED"
_STATEMENT = """
INSERT INTO statement (run_id, process_id, sql, dialect, kind, target_node, believed, unknown, at)
VALUES (%(run)s, %(process)s, %(sql)s, %(dialect)s, %(kind)s, %(target)s, %(believed)s, %(unknown)s, %(at)s)
ON CONFLICT (run_id) DO UPDATE SET process_id = excluded.process_id, sql = excluded.sql, dialect = excluded.dialect,
    kind = excluded.kind, target_node = excluded.target_node, believed = excluded.believed,
    unknown = excluded.unknown, at = excluded.at
"""


@dataclass
class _Step:
    """One transaction's work."""

    connection: Connection
    sql: SqlReader
    resolve: Resolver
    known: Mapping[UUID, Mapping[int, Put]]
    touched: Touched = field(default_factory=Touched)
    tables: dict[Table, int] = field(default_factory=dict)
    fields: dict[Column, int] = field(default_factory=dict)
    problems: dict[UUID, str | None] = field(default_factory=dict)
    """Runs of which something else is wrong now than was."""


@dataclass
class _Tried:
    """Which runs a step was at."""

    taken: Mapping[UUID, Waiting] = field(default_factory=dict)


async def step(connection: Connection, sql: SqlReader, limit: int) -> int:
    """Derive up to ``limit`` runs that are due; one that is too odd for that is given up, loudly, the others not.

    Return how many were due; 0 also when another process is at it.
    """
    tried = _Tried()
    try:
        taken = await by_halves(connection, lambda some: _step(connection, sql, some, tried), limit)
    except Exception as odd:
        if lost(odd) or connection.closed or not tried.taken:
            raise
        log.exception("run %s cannot be derived and is given up", *tried.taken)
        taken = await runs.give_up(connection, tried.taken, _named(odd))
    return taken + await anew.make(connection, idle=not taken)


async def _step(connection: Connection, sql: SqlReader, limit: int, tried: _Tried) -> int:
    tried.taken = {}
    async with connection.transaction(), gathered(connection):
        cursor = await connection.execute(_LOCK, (STAGE,))
        if await cursor.fetchone() is None:
            return 0
        tried.taken = taken = await runs.waiting(connection, limit)
        if not taken:
            return 0
        found = await runs.load(connection, taken)
        now = await _begin(connection, sql, found)
        settled = await belonging.settle(connection, found)
        for one in found:
            await _alone(now, one, settled.get(one.run.run_id))
        ended = {one.run.run_id: one.ended_as == "COMPLETE" for one in found}
        await writings.note_ends(connection, ended, now.touched)
        await writings.settle(connection, now.touched)
        await runs.done(connection, taken)
        await belonging.write(connection, found, settled, now.problems)
        await tell(connection, "run", ended)
    return len(taken)


async def _begin(connection: Connection, sql: SqlReader, found: list[DueRun]) -> _Step:
    raw = {name for one in found for name in readings.raw_names(one.merged)}
    return _Step(
        connection=connection,
        sql=sql,
        resolve=await nodes.resolver(connection, raw, sql.catalog),
        known=await writings.existing(connection, [one.run.run_id for one in found]),
    )


async def _alone(now: _Step, one: DueRun, own: tuple[Belongs, int] | None) -> None:
    """Derive what a run wrote and tested; what is odd about it must not keep all others from being derived."""
    problem = None
    try:
        known = now.known.get(one.run.run_id, {})
        results = assertions.results(one.merged, now.resolve)
        writes = own is not None and one.wrote and readings.tells_of_writing(one.merged)
        if writes or known or results or one.said or one.tested:
            async with now.connection.transaction():
                wanted, said = await _written(now, one, *own) if own is not None and writes else ({}, False)
                await writings.store(now.connection, one.run.run_id, known, wanted, now.touched)
                if one.said and not said:
                    await now.connection.execute("DELETE FROM statement WHERE run_id = %s", (one.run.run_id,))
                await assertions.store(now.connection, one, results)
    except Exception as odd:
        if passing(odd) or now.connection.closed:
            raise
        log.exception("run %s cannot be derived", one.run.run_id)
        problem = _named(odd)
        # What it made is undone.
        now.tables.clear()
        now.fields.clear()
    if problem != one.problem:
        now.problems[one.run.run_id] = problem


def _named(problem: Exception) -> str:
    return storable(f"{type(problem).__name__}: {problem}")


async def _written(now: _Step, one: DueRun, own: Belongs, process: int) -> tuple[dict[int, Put], bool]:
    """Return what the run wrote, as rows, and whether its statement is on record."""
    statement = readings.statement_of(one.merged)
    by_sql = await _read_sql(now, statement, one.at)
    written = readings.written(one.merged, now.resolve, by_sql if isinstance(by_sql, Reading) else None)
    await _find(now, written, one.at)
    wanted: dict[int, Put] = {}
    for item in written:
        pair = Pair(process, now.tables[item.reading.target])
        shape = await writings.shape_of(now.connection, pair, _edges(now, item), one.at)
        ends = item.told and (own.process.kind not in ADDS_ONLY or item.reading.kind in _REPLACES)
        wanted[pair.target] = Put(
            run=one.run.run_id, pair=pair, process_run=own.run, shape=shape, ends=ends, at=one.at
        )  # fmt: skip
    views = [now.tables[item.reading.target] for item in written if item.reading.kind == "view"]
    if views:
        await now.connection.execute(
            "UPDATE node SET kind = 'view' WHERE node_id = ANY(%s) AND kind = 'table'", (views,)
        )
    why = by_sql if isinstance(by_sql, str) else None
    said = bool(written) or why is not None
    if said:
        await _store_statement(now, one, process, statement, written, why)
    return wanted, said


async def _read_sql(now: _Step, statement: Statement | None, at: datetime) -> Reading | str | None:
    if statement is None or not statement.dialect:
        return None
    columns = await schemas.named_in(now.connection, statement.text, now.sql.catalog, at)
    return now.sql.read(statement, columns)


async def _find(now: _Step, written: Iterable[Written], at: datetime) -> None:
    """Find the nodes and fields of everything the readings name; those that are missing are made."""
    columns: set[Column] = set()
    for item in written:
        reading = item.reading
        columns |= {Column(table, WHOLE) for table in (reading.target, *reading.inputs)}
        for edge in reading.edges:
            columns |= {edge.source, edge.target, Column(edge.source.table, WHOLE)}
    tables = {column.table for column in columns} - now.tables.keys()
    if tables:
        now.tables |= await nodes.ids(now.connection, tables)
    missing = {table: (at, at) for table in tables if table not in now.tables}
    if missing:
        await nodes.ensure_nodes(now.connection, missing, now.sql.catalog)
        now.tables |= await nodes.ids(now.connection, missing)
    wanted = columns - now.fields.keys()
    if wanted:
        now.fields |= await nodes.field_ids(now.connection, wanted, now.tables, at)


def _edges(now: _Step, item: Written) -> list[EdgeRow]:
    reading = item.reading
    target = now.fields[Column(reading.target, WHOLE)]
    sources = {*reading.inputs, *(edge.source.table for edge in reading.edges)}
    whole: list[EdgeRow] = [
        (now.tables[table], now.fields[Column(table, WHOLE)], target, "", item.first, "") for table in sources
    ]
    return whole + [
        (
            now.tables[edge.source.table], now.fields[edge.source], now.fields[edge.target], edge.how,
            item.by.get(edge, item.first), edge.expression,
        )
        for edge in reading.edges
    ]  # fmt: skip


async def _store_statement(
    now: _Step,
    one: DueRun,
    process: int,
    statement: Statement | None,
    written: list[Written],
    why: str | None,
) -> None:
    first = written[0] if written else None
    unknown = dict(first.reading.unknown) if first is not None else {}
    if why is not None:
        unknown.setdefault(WHOLE, why)
    values = {
        "run": one.run.run_id,
        "process": process,
        "sql": statement.text if statement is not None else "",
        "dialect": statement.dialect if statement is not None else "",
        "kind": first.reading.kind if first is not None else "",
        "target": now.tables[first.reading.target] if first is not None else None,
        "believed": first.first if first is not None else "names",
        "unknown": json.dumps(unknown),
        "at": one.at,
    }
    await now.connection.execute(_STATEMENT, values)
