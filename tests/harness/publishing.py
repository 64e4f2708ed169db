"""Run the publisher for OpenMetadata over a graph that a test writes down."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from fake_openmetadata import TOKEN
from lakehold.lineage.migrate import ensure_schema
from lakehold.lineage.sinks.model import Sink
from lakehold.lineage.sinks.openmetadata.publisher import OpenMetadataSink
from lakehold.lineage.sinks.settings import Catalog, Endpoint
from lakehold.lineage.sinks.worker import Worker
from made_graph import BEGIN, MadeGraph, column

DAG_RUN = uuid.UUID("013bf368-5800-798a-b6cb-ade3d0a16315")
TASK_RUN = uuid.UUID("013bf368-5800-7bfe-9ebf-0c6e77abf9d1")
EDGES = [
    "s3://landing/flights -> bronze.flights",
    "bronze.flights.arr_delay -> silver.flights.arr_delay IDENTITY",
    "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
    "silver.flights.carrier -> gold.delays.carrier IDENTITY",
    "silver.flights.day -> gold.delays FILTER",
]


class Lineage(MadeGraph):
    """A graph whose changes are told to sinks."""

    @classmethod
    def fresh(cls, database: str) -> Iterator[Self]:
        """An empty one that no sink knows, for a fixture."""
        ensure_schema(database)
        made = cls(database)
        made.empty()
        made.connection.execute("TRUNCATE sink CASCADE")
        yield made
        made.connection.close()

    def change(self, *keys: str) -> None:
        for key in keys:
            kind, _, id_ = key.partition(":")
            self.connection.execute("INSERT INTO change (kind, id) VALUES (%s, %s)", (kind, id_))

    def pair(self, source: str, target: str) -> str:
        return f"edge:{self.node(column(source).table)}:{self.node(column(target).table)}"

    def changed_node(self, table: str) -> None:
        self.change(f"node:{self.node(column(table).table)}")

    def dag_run(self, tasks: dict[str, list[str]], states: dict[str, str]) -> None:
        """Add a run of the DAG flights_daily as Airflow tells of it."""
        self.connection.execute(
            "INSERT INTO job (job_id, namespace, name, first_seen, last_seen)"
            " VALUES (name_key('test', 'flights_daily'), 'test', 'flights_daily', %s, %s)",
            (BEGIN, BEGIN),
        )
        said = {name: {"downstream_task_ids": after, "operator": "a.b.SparkJob"} for name, after in tasks.items()}
        job = {
            "namespace": "test",
            "name": "flights_daily",
            "facets": {
                "jobType": {"jobType": "DAG", "integration": "AIRFLOW"},
                "airflow": {"tasks": said},
                "documentation": {"description": "The main job."},
                "ownership": {"owners": [{"name": "airflow"}, {"name": "ann"}]},
                "tags": {"tags": [{"key": "main", "value": "main", "source": "AIRFLOW"}]},
            },
        }
        facets = {
            "airflowDagRun": {"dag": {"timetable_summary": "0 0 * * *"}},
            "airflowState": {"tasksState": states},
        }
        body = {"job": job, "run": {"runId": str(DAG_RUN), "facets": facets}}
        self.connection.execute(
            "INSERT INTO run (run_id, job_id, first_seen, last_seen, started_at, ended_at, ended_as, events) SELECT %s,"
            " job_id, %s, %s, %s, %s, 'COMPLETE', 2 FROM job WHERE name = 'flights_daily'",
            (DAG_RUN, BEGIN, BEGIN, BEGIN, BEGIN),
        )
        self.connection.execute(
            "INSERT INTO event (digest, kind, event_type, event_time, run_id, job_namespace, job_name, producer,"
            " inputs, outputs, body) VALUES (%s, 'run', 'COMPLETE', %s, %s, 'test', 'flights_daily',"
            " 'https://github.com/apache/airflow', '[]', '[]', %s)",
            (uuid.uuid4().bytes, BEGIN, DAG_RUN, json.dumps(body)),
        )


@contextmanager
def publishing(
    database: str, url: str, *, token: str = TOKEN, seconds: float = 15.0, service: str = "lakehold"
) -> Iterator[None]:
    """Run the publisher's worker, as the service does."""
    endpoint = Endpoint(url=url, token=token)
    options = Catalog(endpoint=endpoint, service=service, airflow_url="http://airflow.invalid")
    with working(database, lambda: OpenMetadataSink(options, seconds=seconds)):
        yield


@contextmanager
def working(database: str, make: Callable[[], Sink]) -> Iterator[None]:
    """Run a sink's worker, as the service does; it looks more often, so that a test need not wait for it."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        task = loop.create_task(Worker(database, make(), poll=0.02).run())
        loop.call_soon(started.set)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            loop.close()

    started = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def letters(graph: MadeGraph) -> dict[str, str]:
    """What was refused, with the reason."""
    return dict(graph.connection.execute("SELECT item, reason FROM sink_letter WHERE replayed_at IS NULL").fetchall())


def row(graph: MadeGraph) -> tuple[Any, ...]:
    found = graph.connection.execute(
        "SELECT position = (SELECT coalesce(max(change_id), 0) FROM change) AND backfill IS NULL, attempts, last_error,"
        " (SELECT count(*) FROM sink_letter WHERE replayed_at IS NULL) FROM sink"
    ).fetchone()
    return found or (False, 0, None, 0)


def told(graph: MadeGraph, seconds: float = 60) -> None:
    """Wait until everything was told; how long a pause takes is not what these tests are about."""

    def through() -> bool:
        graph.connection.execute("UPDATE sink SET retry_at = NULL")
        return bool(row(graph)[0])

    until(through, seconds)
