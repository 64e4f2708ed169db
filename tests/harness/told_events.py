"""Events as Airflow, Spark and Trino tell them, small enough to read, and a database that derives the graph of them."""

import asyncio
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

START = datetime(2013, 1, 1, tzinfo=UTC)

Event = dict[str, Any]


def run_id(name: str) -> str:
    """Return a run's id, the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def event(kind: str, run: str, job: str, minute: float, **rest: Any) -> Event:
    """Return a RunEvent; ``rest``: inputs, outputs, facets (of the job), run_facets, producer, parent."""
    run_facets = dict(rest.pop("run_facets", {}))
    parent = rest.pop("parent", None)
    if parent is not None:
        run_facets["parent"] = {
            "run": {"runId": run_id(parent[0])},
            "job": {"namespace": "lakehold", "name": parent[1]},
            "root": {"run": {"runId": run_id("dag")}, "job": {"namespace": "lakehold", "name": "flights_daily"}},
        }
    return {
        "eventType": kind,
        "eventTime": (START + timedelta(minutes=minute)).isoformat(),
        "producer": rest.pop("producer", "urn:test"),
        "schemaURL": "urn:schema",
        "run": {"runId": run_id(run), "facets": run_facets},
        "job": {"namespace": "lakehold", "name": job, "facets": rest.pop("facets", {})},
        "inputs": rest.pop("inputs", []),
        "outputs": rest.pop("outputs", []),
    }


def task(name: str, run: str, minute: float, *, end: str = "COMPLETE", took: float = 10) -> list[Event]:
    """Return the two events of an Airflow task ``flights_daily.<name>``."""
    facets = {"jobType": {"integration": "AIRFLOW", "jobType": "TASK", "processingType": "BATCH"}}
    both = [("START", minute), (end, minute + took)]
    return [
        event(kind, run, f"flights_daily.{name}", at, facets=facets, parent=("dag", "flights_daily"))
        for kind, at in both
    ]


def spark_table(
    name: str, *, place: str = "", columns: Mapping[str, Sequence[str]] | None = None, schema: Sequence[str] = ()
) -> Event:
    """Return a dataset as Spark names it, by its place; ``columns``: column → ``schema.table.column`` of sources."""
    facets: Event = {
        "catalog": {"name": "lakehouse", "framework": "iceberg"},
        "symlinks": {"identifiers": [{"namespace": "hive://lakehouse", "name": name, "type": "TABLE"}]},
    }
    if schema:
        facets["schema"] = {"fields": [{"name": column, "type": "string"} for column in schema]}
    if columns is not None:
        facets["columnLineage"] = {
            "fields": {
                column: {"inputFields": [_source(source) for source in sources]} for column, sources in columns.items()
            }
        }
    return {"namespace": "s3://lakehouse", "name": place or place_of(name), "facets": facets}


def place_of(name: str) -> str:
    """Return where Spark says a table is."""
    return f"{name.replace('.', '/')}-1f"


def _source(name: str) -> Event:
    table, _, column = name.rpartition(".")
    return {
        "namespace": "s3://lakehouse",
        "name": place_of(table),
        "field": column,
        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
    }


def application(name: str, run: str, minute: float, *, parent: tuple[str, str] | None, took: float = 8) -> list[Event]:
    """Return the two events of a Spark application."""
    facets = {"jobType": {"integration": "SPARK", "jobType": "APPLICATION", "processingType": "BATCH"}}
    both = [("START", minute), ("COMPLETE", minute + took)]
    return [event(kind, run, name, at, facets=facets, parent=parent, **SPARK) for kind, at in both]


def spark_write(
    app: str, run: str, minute: float, *, parent: str, inputs: Sequence[Event], output: Event, end: str = "COMPLETE"
) -> list[Event]:
    """Return the events of one write of Spark: only the START knows the inputs, as with a cached frame."""
    facets = {"jobType": {"integration": "SPARK", "jobType": "SQL_JOB", "processingType": "BATCH"}}
    shared: Event = {"facets": facets, "parent": (parent, app), **SPARK}
    job = f"{app}.append_data.t"
    return [
        event("START", run, job, minute, inputs=inputs, outputs=[output], **shared),
        event("RUNNING", run, job, minute + 1, outputs=[output], **shared),
        event(end, run, job, minute + 2, outputs=[output], **shared),
    ]


SPARK: Event = {"producer": "https://github.com/OpenLineage/OpenLineage/tree/1.53.0/integration/spark"}
TRINO: Event = {"producer": "https://github.com/trinodb/trino/plugin/trino-openlineage"}


def query(sql: str, run: str, minute: float, *, reads: Sequence[str], writes: str, **facets: Any) -> list[Event]:
    """Return the two events of a Trino query; ``facets`` are those of ``lakehold_query``."""
    job_facets = {"sql": {"query": sql}, "jobType": {"integration": "TRINO", "jobType": "QUERY"}}
    parent = facets.pop("parent", None)
    shared: Event = {"facets": job_facets, "run_facets": {"lakehold_query": facets}, "parent": parent, **TRINO}
    sides = {"inputs": [trino_table(name) for name in reads], "outputs": [trino_table(writes)]}
    return [
        event("START", run, f"2013_{run}", minute, **shared),
        event("COMPLETE", run, f"2013_{run}", minute + 0.5, **shared, **sides),
    ]


def trino_table(name: str) -> Event:
    """Return a dataset as Trino names it."""
    return {"namespace": "trino://127.0.0.1:8443", "name": f"lakehouse.{name}"}


@dataclass
class Derived:
    """A lineage database, filled by events and asked for what was derived from them."""

    database: str

    def tell(self, events: Iterable[Event], *, step: int = 500) -> None:
        """Receive events and derive everything, ``step`` events at a time."""
        asyncio.run(self._tell(list(events), step))

    def drain(self) -> None:
        """Derive what is due."""
        asyncio.run(self._tell([], 1))

    async def _tell(self, events: list[Event], step: int) -> None:
        from lakehold.lineage import derive, event, rows
        from lakehold.lineage.graph.readings import SqlReader
        from lakehold.lineage.graph.worker import drain

        sql = SqlReader("lakehouse")
        async with await self._connect() as connection:
            for index in range(0, max(len(events), 1), step):
                parsed = [event.parse(json.dumps(one).encode()) for one in events[index : index + step]]
                await rows.insert(connection, parsed)
                while await derive.step(connection):
                    pass
                await drain(connection, sql)

    async def _connect(self) -> AsyncConnection[TupleRow]:
        from lakehold.lineage.database import connect

        return await connect(self.database, "test")

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        """Change the database."""
        with psycopg.connect(self.database) as connection:
            connection.execute(statement.encode(), values)

    def edges(self, at: datetime | None = None) -> list[str]:
        """Return the edges that are valid (at a time) as lines, with the process that makes them."""
        return [
            row["line"]
            for row in self.rows(
                """SELECT concat(s.name, '.' || nullif(sf.name, ''), ' -> ', t.name, '.' || nullif(tf.name, ''),
                                 ' ' || nullif(how, ''), ' by ', p.name) AS line
                FROM edge JOIN node s ON s.node_id = source_node JOIN node t ON t.node_id = target_node
                JOIN field sf ON sf.field_id = source_field JOIN field tf ON tf.field_id = target_field
                JOIN process p USING (process_id)
                WHERE edge.first_seen <= %s AND (ended_at IS NULL OR ended_at > %s)
                ORDER BY 1""",
                at or datetime(9999, 1, 1, tzinfo=UTC),
                at or datetime(9999, 1, 1, tzinfo=UTC),
            )
        ]
