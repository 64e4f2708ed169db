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

from lakehold.lineage.database import LOST
from lakehold.lineage.graph import assertions, due, nodes, readings, runs, schemas, writings
from lakehold.lineage.graph.changes import gathered, tell
from lakehold.lineage.graph.edges import Pair
from lakehold.lineage.graph.names import Resolver
from lakehold.lineage.graph.processes import ADDS_ONLY, Belongs, Process, belongs
from lakehold.lineage.graph.readings import SqlReader, Statement, Written
from lakehold.lineage.graph.runs import DueRun
from lakehold.lineage.graph.take import STAGE
from lakehold.lineage.graph.writings import EdgeRow, Put, Touched
from lakehold.lineage.model import WHOLE, Column, Reading, Table

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_REPLACES = frozenset({"create", "view"})
"""Statements after which nothing is left in the table of what was there before."""

_PROCESS = """
INSERT INTO process (namespace, name, kind, first_seen, last_seen) VALUES (%(ns)s, %(name)s, %(kind)s, %(at)s, %(end)s)
ON CONFLICT (key) DO UPDATE SET first_seen = least(process.first_seen, excluded.first_seen),
                                last_seen = greatest(process.last_seen, excluded.last_seen),
                                kind = CASE WHEN excluded.kind = 'task' THEN 'task' ELSE process.kind END
RETURNING process_id, xmax = 0
"""
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
    parents: dict[UUID, Belongs]
    known: Mapping[UUID, Mapping[int, Put]]
    touched: Touched = field(default_factory=Touched)
    moved: set[UUID] = field(default_factory=set)
    """Runs that belong to another process than was known; what they started is derived again."""


async def step(connection: Connection, sql: SqlReader, limit: int) -> int:
    """Derive up to ``limit`` runs that are due; return how many were. 0 also when another process is at it."""
    async with connection.transaction(), gathered(connection):
        cursor = await connection.execute("SELECT 1 FROM stage WHERE name = %s FOR UPDATE SKIP LOCKED", (STAGE,))
        if await cursor.fetchone() is None:
            return 0
        before = await runs.waiting(connection)
        found = await runs.take(connection, limit)
        if found:
            await _derive(connection, sql, found)
    return min(before, limit)


async def _derive(connection: Connection, sql: SqlReader, found: list[DueRun]) -> None:
    raw = {name for one in found for name in readings.raw_names(one.merged)}
    ids = [one.run.run_id for one in found]
    parents = [one.run.parent_run_id for one in found if one.run.parent_run_id is not None]
    now = _Step(
        connection=connection,
        sql=sql,
        resolve=await nodes.resolver(connection, raw, sql.catalog),
        parents=dict(await runs.belonging(connection, [*parents, *ids])),
        known=await writings.existing(connection, ids),
    )
    for one in found:
        await _alone(now, one)
    await due.mark_children(connection, now.moved)
    await writings.note_ends(connection, {one.run.run_id: one.ended_as == "COMPLETE" for one in found}, now.touched)
    await writings.settle(connection, now.touched)
    await tell(connection, "run", ids)


async def _alone(now: _Step, one: DueRun) -> None:
    """Derive a run; what is odd about it must not keep all others from being derived."""
    problem = None
    try:
        async with now.connection.transaction():
            await _run(now, one)
    except LOST:
        raise
    except Exception as odd:
        log.exception("run %s cannot be derived", one.run.run_id)
        problem = f"{type(odd).__name__}: {odd}".replace("\x00", "")
    if problem != one.problem:
        await now.connection.execute("UPDATE run SET problem = %s WHERE run_id = %s", (problem, one.run.run_id))


async def _run(now: _Step, one: DueRun) -> None:
    parent = None
    if one.run.parent_run_id is not None and one.run.parent_run_id != one.run.run_id:
        parent = now.parents.get(one.run.parent_run_id)
    found = belongs(one.run, one.merged, parent)
    process = await _ensure_process(now.connection, found.process, one) if found is not None else None
    process_run = found.run if found is not None else None
    if found is not None:
        now.parents[one.run.run_id] = found
    if (process, process_run) != (one.process_id, one.process_run):
        now.moved.add(one.run.run_id)
        await now.connection.execute(
            "UPDATE run SET process_id = %s, process_run = %s WHERE run_id = %s", (process, process_run, one.run.run_id)
        )
    wanted: dict[int, Put] = {}
    if found is not None and process is not None and one.wrote:
        wanted = await _written(now, one, found, process)
    await writings.store(now.connection, one.run.run_id, now.known.get(one.run.run_id, {}), wanted, now.touched)
    await assertions.store(now.connection, one, now.resolve)


async def _ensure_process(connection: Connection, process: Process, one: DueRun) -> int:
    values = {
        "ns": process.namespace, "name": process.name, "kind": process.kind, "at": one.first_seen, "end": one.at
    }  # fmt: skip
    cursor = await connection.execute(_PROCESS, values)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement makes it or finds it
    if row[1]:
        await tell(connection, "process", [row[0]])
    return int(row[0])


async def _written(now: _Step, one: DueRun, found: Belongs, process: int) -> dict[int, Put]:
    """Return what the run wrote, as rows."""
    statement = readings.statement_of(one.merged)
    by_sql = await _read_sql(now, statement, one.at)
    written = readings.written(one.merged, now.resolve, by_sql if isinstance(by_sql, Reading) else None)
    tables = await _tables(now, written, one.at)
    wanted: dict[int, Put] = {}
    for item in written:
        pair = Pair(process, tables[item.reading.target])
        shape = await writings.shape_of(now.connection, pair, await _edges(now.connection, item, tables, one.at))
        ends = item.told and (found.process.kind not in ADDS_ONLY or item.reading.kind in _REPLACES)
        wanted[pair.target] = Put(
            run=one.run.run_id, pair=pair, process_run=found.run, shape=shape, ends=ends, at=one.at
        )  # fmt: skip
    views = [tables[item.reading.target] for item in written if item.reading.kind == "view"]
    if views:
        await now.connection.execute(
            "UPDATE node SET kind = 'view' WHERE node_id = ANY(%s) AND kind = 'table'", (views,)
        )
    why = by_sql if isinstance(by_sql, str) else None
    if written or why is not None:
        await _store_statement(now, one, process, statement, written, why, tables)
    return wanted


async def _read_sql(now: _Step, statement: Statement | None, at: datetime) -> Reading | str | None:
    if statement is None or not statement.dialect:
        return None
    columns = await schemas.named_in(now.connection, statement.text, now.sql.catalog, at)
    return now.sql.read(statement, columns)


async def _tables(now: _Step, written: Iterable[Written], at: datetime) -> dict[Table, int]:
    """Return the node of every table the readings name; those that are missing are made."""
    tables: set[Table] = set()
    for item in written:
        tables |= {item.reading.target, *item.reading.inputs}
        tables |= {column.table for edge in item.reading.edges for column in (edge.source, edge.target)}
    found = await nodes.ids(now.connection, tables)
    missing = {table: (at, at) for table in tables if table not in found}
    if missing:
        await nodes.ensure_nodes(now.connection, missing, now.sql.catalog)
        found = await nodes.ids(now.connection, tables)
    return found


async def _edges(connection: Connection, item: Written, tables: Mapping[Table, int], at: datetime) -> list[EdgeRow]:
    reading = item.reading
    target = Column(reading.target, WHOLE)
    sources = {*reading.inputs, *(edge.source.table for edge in reading.edges)}
    columns = {target, *(Column(table, WHOLE) for table in sources)}
    columns |= {column for edge in reading.edges for column in (edge.source, edge.target)}
    fields = await nodes.field_ids(connection, columns, tables, at)
    whole: list[EdgeRow] = [
        (tables[table], fields[Column(table, WHOLE)], fields[target], "", item.first, "") for table in sources
    ]
    return whole + [
        (
            tables[edge.source.table], fields[edge.source], fields[edge.target], edge.how,
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
    tables: Mapping[Table, int],
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
        "target": tables[first.reading.target] if first is not None else None,
        "believed": first.first if first is not None else "names",
        "unknown": json.dumps(unknown),
        "at": one.at,
    }
    await now.connection.execute(_STATEMENT, values)
