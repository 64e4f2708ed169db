"""What runs that are due tell of themselves: the tables they wrote, and the statement that did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph import readings, schemas
from lakehold.lineage.graph.names import Resolver
from lakehold.lineage.graph.processes import Belongs
from lakehold.lineage.graph.readings import SqlReader, Statement, Written
from lakehold.lineage.graph.runs import DueRun
from lakehold.lineage.model import WHOLE, Column, Reading, Table

Connection = AsyncConnection[TupleRow]

_STATEMENT = """
INSERT INTO statement (run_id, process_id, sql, dialect, kind, target_node, believed, unknown, at)
SELECT run_id, process_id, sql, dialect, kind, target_node, believed, unknown::jsonb, at
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[],
            %s::timestamptz[])
    AS s (run_id, process_id, sql, dialect, kind, target_node, believed, unknown, at) ORDER BY run_id
ON CONFLICT (run_id) DO UPDATE SET process_id = excluded.process_id, sql = excluded.sql, dialect = excluded.dialect,
    kind = excluded.kind, target_node = excluded.target_node, believed = excluded.believed,
    unknown = excluded.unknown, at = excluded.at
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run wrote; nothing, if that is all there is to it now."""

    due: DueRun
    own: Belongs | None = None
    process: int = 0
    statement: Statement | None = None
    written: Sequence[Written] = ()
    why: str | None = None
    """Why its SQL cannot be read."""

    @property
    def run(self) -> UUID:
        """The run."""
        return self.due.run.run_id

    def columns(self) -> Iterator[Column]:
        """Yield everything that its readings name; some more than once."""
        for item in self.written:
            for table in (item.reading.target, *item.reading.inputs):
                yield Column(table, WHOLE)
            for edge in item.reading.edges:
                yield from (edge.source, edge.target, Column(edge.source.table, WHOLE))


async def read(
    connection: Connection, sql: SqlReader, resolve: Resolver, one: DueRun, own: Belongs, process: int
) -> Told:
    """Return what a run wrote."""
    statement = readings.statement_of(one.merged)
    by_sql = None
    if statement is not None and statement.dialect:
        columns = await schemas.named_in(connection, statement.text, sql.catalog, one.at)
        by_sql = sql.read(statement, columns)
    written = readings.written(one.merged, resolve, by_sql if isinstance(by_sql, Reading) else None)
    why = by_sql if isinstance(by_sql, str) else None
    return Told(one, own=own, process=process, statement=statement, written=written, why=why)


async def store_statements(connection: Connection, told: Iterable[Told], tables: Mapping[Table, int]) -> None:
    """Keep the statements of runs that wrote something, or whose SQL nobody can read; of others there is none."""
    rows, gone = [], []
    for one in told:
        if one.written or one.why is not None:
            rows.append(_statement(one, tables))
        elif one.due.said:
            gone.append(one.run)
    if rows:
        await connection.execute(_STATEMENT, [list(column) for column in zip(*rows, strict=True)])
    if gone:
        await connection.execute("DELETE FROM statement WHERE run_id = ANY(%s)", (gone,))


def _statement(one: Told, tables: Mapping[Table, int]) -> tuple[object, ...]:
    first = one.written[0] if one.written else None
    unknown = dict(first.reading.unknown) if first is not None else {}
    if one.why is not None:
        unknown.setdefault(WHOLE, one.why)
    return (
        one.run,
        one.process,
        one.statement.text if one.statement is not None else "",
        one.statement.dialect if one.statement is not None else "",
        first.reading.kind if first is not None else "",
        tables[first.reading.target] if first is not None else None,
        first.first if first is not None else "names",
        json.dumps(unknown),
        one.due.at,
    )
