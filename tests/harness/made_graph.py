"""Fill the graph of a lineage database with edges a test writes down, without any event."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

import psycopg
from lakehold.lineage.explore import names
from lakehold.lineage.model import DIRECT, Column, Table

CATALOG = "lakehouse"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_RUNS = UUID("5270e1e1-0000-4000-8000-000000000000")
_LINE = re.compile(r"^(\S+) -> (\S+)(?: ([A-Z_]+))?$")


def column(text: str) -> Column:
    """Read ``schema.table.column``, ``schema.table`` or ``s3://bucket/path#column``."""
    if "/" in text:
        place, _, name = text.partition("#")
        scheme, _, path = place.partition("://")
        bucket, _, key = path.partition("/")
        return Column(Table(f"{scheme}://{bucket}", key), name)
    return names.readings(text, CATALOG)[0]


class MadeGraph:
    """Adds to the graph; what is there already stays."""

    def __init__(self, database: str) -> None:
        self.connection = psycopg.connect(database, autocommit=True)

    def empty(self) -> None:
        """Take everything out; the service's own work may be in some of it at this moment."""
        for _ in range(20):
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                self.connection.execute("TRUNCATE node, process, job, dataset, event, change CASCADE")
                return
        raise AssertionError("the service does not let go of its tables")

    def node(self, table: Table, kind: str = "") -> int:
        """Return the table's id."""
        kind = kind or ("table" if table.namespace == CATALOG else "file")
        self.connection.execute(
            "INSERT INTO node (namespace, name, kind, first_seen, last_seen) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (key) DO NOTHING",
            (table.namespace, table.name, kind, BEGIN, BEGIN),
        )
        found = self._one("SELECT node_id FROM node WHERE key = name_key(%s, %s)", table.namespace, table.name)
        self.connection.execute(
            "INSERT INTO field (node_id, name, first_seen) VALUES (%s, '', %s) ON CONFLICT DO NOTHING", (found, BEGIN)
        )
        return found

    def field(self, column: Column, type_: str = "bigint") -> tuple[int, int]:
        """Return the ids of a column's table and of the column."""
        node = self.node(column.table)
        self.connection.execute(
            "INSERT INTO field (node_id, name, type, position, first_seen)"
            " VALUES (%(node)s, %(name)s, %(type)s, (SELECT count(*) FROM field WHERE node_id = %(node)s), %(at)s)"
            " ON CONFLICT DO NOTHING",
            {"node": node, "name": column.name, "type": type_, "at": BEGIN},
        )
        return node, self._one("SELECT field_id FROM field WHERE node_id = %s AND name = %s", node, column.name)

    def process(self, name: str) -> int:
        """Return the id of a process; its kind is in its name."""
        kind = "model" if name.startswith("dbt:") else "person" if name.startswith("user:") else "task"
        self.connection.execute(
            "INSERT INTO process (namespace, name, kind, first_seen, last_seen) VALUES ('test', %s, %s, %s, %s)"
            " ON CONFLICT (key) DO NOTHING",
            (name, kind, BEGIN, BEGIN),
        )
        return self._one("SELECT process_id FROM process WHERE key = name_key('test', %s)", name)

    def edges(
        self, process: str, lines: Iterable[str], *, since: datetime = BEGIN, until: datetime | None = None
    ) -> None:
        """Add ``source -> target HOW``, one a line, and the edges between the tables as wholes that go with them."""
        wanted = {line.strip() for line in lines}
        read = []
        for line in sorted(wanted):
            match = _LINE.match(line)
            assert match, line
            source, target = column(match[1]), column(match[2])
            read.append((source, target, match[3] or ""))
            read.append((Column(source.table, ""), Column(target.table, ""), ""))
        # In one transaction: the service may be at clearing away what nothing leads to.
        with self.connection.transaction():
            for source, target, how in dict.fromkeys(read):
                self._edge(process, source, target, how, since, until)

    def statement(self, process: str, target: str, sql: str, unknown: str = "{}") -> UUID:
        """Add what a run of a process executed; return the run."""
        run = self.run(f"{process} {target} {sql}", process)
        self.connection.execute(
            "INSERT INTO statement (run_id, process_id, sql, dialect, target_node, believed, unknown, at)"
            " VALUES (%s, %s, %s, 'trino', %s, 'sql', %s, %s)",
            (run, self.process(process), sql, self.node(column(target).table), unknown, BEGIN),
        )
        return run

    def run(self, key: str, job: str, at: datetime = BEGIN) -> UUID:
        """Add a run that is complete."""
        run = uuid5(_RUNS, key)
        self.connection.execute(
            "INSERT INTO job (job_id, namespace, name, first_seen, last_seen)"
            " VALUES (name_key('test', %s), 'test', %s, %s, %s) ON CONFLICT DO NOTHING",
            (job, job, at, at),
        )
        self.connection.execute(
            "INSERT INTO run (run_id, job_id, first_seen, last_seen, started_at, ended_at, ended_as, events)"
            " VALUES (%s, name_key('test', %s), %s, %s, %s, %s, 'COMPLETE', 2) ON CONFLICT DO NOTHING",
            (run, job, at, at, at, at),
        )
        return run

    def belongs(self, run: UUID, process: str) -> None:
        """Say that a run is one of a process."""
        self.connection.execute(
            "UPDATE run SET process_id = %s, process_run = run_id WHERE run_id = %s", (self.process(process), run)
        )

    def result(self, run: UUID, table: str, column_name: str, name: str, *, success: bool) -> None:
        """Add what a gate found out."""
        self.connection.execute(
            "INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (run, self.node(column(table).table), column_name, name, success, BEGIN),
        )

    def wrote(self, process: str, table: str) -> None:
        """Say that a process writes a table."""
        self.connection.execute(
            "INSERT INTO shape (process_id, target_node, digest, edges) VALUES (%s, %s, '', '[]')"
            " ON CONFLICT DO NOTHING",
            (self.process(process), self.node(column(table).table)),
        )

    def snapshot(self, table: str, snapshot_id: int) -> None:
        """Add a snapshot that no run explains."""
        self.connection.execute(
            "INSERT INTO snapshot (node_id, snapshot_id, committed_at, operation) VALUES (%s, %s, %s, 'append')",
            (self.node(column(table).table), snapshot_id, BEGIN),
        )

    def _edge(
        self, process: str, source: Column, target: Column, how: str, since: datetime, until: datetime | None
    ) -> None:
        source_node, source_field = self.field(source)
        target_node, target_field = self.field(target)
        run = uuid5(_RUNS, process)
        self.connection.execute(
            "INSERT INTO edge (source_node, source_field, target_node, target_field, process_id, direct, how, believed,"
            " first_seen, last_seen, ended_at, first_run, last_run)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 'sql', %s, %s, %s, %s, %s)",
            (
                *(source_node, source_field, target_node, target_field, self.process(process), how in DIRECT, how),
                *(since, until or since, until, run, run),
            ),
        )

    def _one(self, statement: str, *values: object) -> int:
        row = self.connection.execute(statement.encode(), values).fetchone()
        assert row is not None, values
        return int(row[0])
