"""The second half of the stage ``graph2``: from runs that are due to their processes, statements, writings and edges.

What a run makes is a function of its events, its parent and the names known so far; when one of these changes, it is
queued again. So it does not matter in which order, or how often, runs are derived.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost, passing
from lakehold.lineage.event import storable
from lakehold.lineage.graph import anew, assertions, belonging, nodes, readings, runs, writings
from lakehold.lineage.graph.changes import gathered, tell
from lakehold.lineage.graph.edges import Pair
from lakehold.lineage.graph.halving import by_halves
from lakehold.lineage.graph.names import Resolver
from lakehold.lineage.graph.processes import ADDS_ONLY, Belongs
from lakehold.lineage.graph.readings import SqlReader, Written
from lakehold.lineage.graph.runs import DueRun, Waiting
from lakehold.lineage.graph.take import STAGE
from lakehold.lineage.graph.told import Told, read, store_statements
from lakehold.lineage.graph.writings import EdgeRow, Put, Shape, Touched
from lakehold.lineage.model import WHOLE, Column, Table

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_REPLACES = frozenset({"create", "view"})
"""Statements after which nothing is left in the table of what was there before."""

_LOCK = "SELECT 1 FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED"


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

    def forget(self) -> None:
        """Take it that what was made since is undone."""
        self.tables.clear()
        self.fields.clear()


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
        await _together(now, found, settled)
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


async def _together(now: _Step, found: list[DueRun], settled: Mapping[UUID, tuple[Belongs, int]]) -> None:
    """Derive what runs wrote and tested; what is odd about one must not keep all others from being derived."""
    try:
        async with now.connection.transaction():
            await _derive(now, found, settled)
    except Exception as odd:
        if passing(odd) or now.connection.closed:
            raise
        now.forget()
        now.touched = Touched()
        for one in found:
            await _alone(now, one, settled)
    else:
        now.problems |= {one.run.run_id: None for one in found if one.problem is not None}


async def _alone(now: _Step, one: DueRun, settled: Mapping[UUID, tuple[Belongs, int]]) -> None:
    problem = None
    try:
        async with now.connection.transaction():
            await _derive(now, [one], settled)
    except Exception as odd:
        if passing(odd) or now.connection.closed:
            raise
        log.exception("run %s cannot be derived", one.run.run_id)
        problem = _named(odd)
        now.forget()
    if problem != one.problem:
        now.problems[one.run.run_id] = problem


def _named(problem: Exception) -> str:
    return storable(f"{type(problem).__name__}: {problem}")


async def _derive(now: _Step, found: Iterable[DueRun], settled: Mapping[UUID, tuple[Belongs, int]]) -> None:
    """Put down what runs wrote and tested, all of them at once: what is waited for most is PostgreSQL's answers."""
    told: list[Told] = []
    for one in found:
        known = now.known.get(one.run.run_id, {})
        own = settled.get(one.run.run_id)
        results = assertions.results(one.merged, now.resolve)
        if own is not None and one.wrote and readings.tells_of_writing(one.merged):
            told.append(await read(now.connection, now.sql, now.resolve, one, *own))
        elif known or one.said:
            told.append(Told(one))
        await assertions.store(now.connection, one, results)
    await _find(now, told)
    wanted = await _wanted(now, told)
    await writings.store(now.connection, now.known, wanted, now.touched)
    await store_statements(now.connection, told, now.tables)


async def _find(now: _Step, told: Iterable[Told]) -> None:
    """Find the nodes and fields of everything the readings name; those that are missing are made."""
    columns: dict[Column, datetime] = {}
    for one in told:
        for column in set(one.columns()):
            columns.setdefault(column, one.due.at)
    tables: dict[Table, datetime] = {}
    for column, at in columns.items():
        if column.table not in now.tables:
            tables.setdefault(column.table, at)
    if tables:
        now.tables |= await nodes.ids(now.connection, tables)
    missing = {table: (at, at) for table, at in tables.items() if table not in now.tables}
    if missing:
        await nodes.ensure_nodes(now.connection, missing, now.sql.catalog)
        now.tables |= await nodes.ids(now.connection, missing)
    wanted = {column: at for column, at in columns.items() if column not in now.fields}
    if wanted:
        now.fields |= await nodes.field_ids(now.connection, wanted, now.tables)


async def _wanted(now: _Step, told: Iterable[Told]) -> dict[UUID, dict[int, Put]]:
    """Return what is to be known of what each run wrote, as rows; nothing of one that wrote nothing."""
    shapes: list[tuple[Told, Written, Shape]] = []
    wanted: dict[UUID, dict[int, Put]] = {}
    for one in told:
        wanted[one.run] = {}
        for item in one.written:
            pair = Pair(one.process, now.tables[item.reading.target])
            shapes.append((one, item, writings.shape_of(pair, _edges(now, item), one.due.at)))
    ids = await writings.ensure_shapes(now.connection, (shape for _, _, shape in shapes))
    for one, item, shape in shapes:
        assert one.own is not None  # noqa: S101 - it wrote something
        run = one.run
        ends = item.told and (one.own.process.kind not in ADDS_ONLY or item.reading.kind in _REPLACES)
        wanted[run][shape.pair.target] = Put(
            run=run, pair=shape.pair, process_run=one.own.run, shape=ids[shape.key], ends=ends, at=one.due.at
        )  # fmt: skip
    views = [shape.pair.target for _, item, shape in shapes if item.reading.kind == "view"]
    if views:
        await now.connection.execute(
            "UPDATE node SET kind = 'view' WHERE node_id = ANY(%s) AND kind = 'table'", (views,)
        )
    return wanted


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
