"""The catalog's reader on a real PostgreSQL, with an object store and a Trino that answer what they are told to."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from answering import Answers, answering
from lakehold.lineage import derive, rows, trino
from lakehold.lineage.catalog import match, reader
from lakehold.lineage.catalog.again import Again
from lakehold.lineage.catalog.coverage import coverage
from lakehold.lineage.catalog.history import History
from lakehold.lineage.catalog.reader import Reader
from lakehold.lineage.catalog.source import Source, Store, Trino
from lakehold.lineage.database import connect
from lakehold.lineage.event import parse
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

pytestmark = pytest.mark.component

START = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECONDS = int(START.timestamp() * 1000)

Connection = AsyncConnection[TupleRow]


def column(id_: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "type": "string", "required": False, **more}


def table(name: str, columns: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "format-version": 2,
        "location": f"s3://lakehouse/{name.replace('.', '/')}",
        "last-updated-ms": MILLISECONDS,
        "current-schema-id": 0,
        "schemas": [{"schema-id": 0, "fields": columns}],
        "snapshots": [],
        **more,
    }


def view(name: str, at: int) -> dict[str, Any]:
    version = {"version-id": 1, "timestamp-ms": at, "schema-id": 0, "representations": []}
    return {
        "view-uuid": "…",
        "location": f"s3://lakehouse/{name.replace('.', '/')}",
        "current-version-id": 1,
        "versions": [version],
        "schemas": [{"schema-id": 0, "fields": [column(1, "a")]}],
    }


@dataclass
class Lake:
    """A catalog in the lineage database itself, its metadata files in a made store, and what reads them."""

    database: str
    store: Answers
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        store = Store(endpoint=self.store.url, region="us-east-1", access="a", secret="b")
        self.reader = Reader(self.database, Source(name="lakehouse", database=self.database, store=store), lambda: None)

    def put(self, name: str, metadata: dict[str, Any]) -> None:
        """Give a table another metadata file."""
        schema, _, own = name.rpartition(".")
        path = f"{schema}/{own}/metadata/{uuid.uuid4()}.metadata.json"
        self.store.by_path[f"/lakehouse/{path}"] = 200, json.dumps(metadata).encode()
        self.drop(name)
        self.execute(
            "INSERT INTO iceberg_tables VALUES ('lakehouse', %s, %s, %s)", schema, own, f"s3://lakehouse/{path}"
        )

    def drop(self, name: str) -> None:
        self.execute("DELETE FROM iceberg_tables WHERE table_namespace || '.' || table_name = %s", name)

    def execute(self, statement: Any, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def read(self) -> int:
        """Look at the catalog once."""
        return self.run(self.reader.read)

    def run(self, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            self.reader._catalog = None
            async with await connect(self.database, "test") as connection:
                found = await work(connection)
            if self.reader._catalog is not None:
                await self.reader._catalog.close()
            return found

        return asyncio.run(inside())

    def covered(self, name: str = "") -> dict[str, Any]:
        """What the service answers about coverage."""

        async def ask(connection: Connection) -> dict[str, Any]:
            return await coverage(connection, "lakehouse", table=name, since=None, limit=100)

        return dict(self.run(ask))


@pytest.fixture
def lake(database: str) -> Iterator[Lake]:
    with answering() as store:
        made = Lake(database, store)
        made.execute(
            "CREATE TABLE iceberg_tables (catalog_name text, table_namespace text, table_name text,"
            " metadata_location text)"
        )
        yield made


def odd() -> dict[str, dict[str, Any]]:
    """Tables whose metadata nobody thought of."""
    good = [column(1, "a")]
    snapshot = {"snapshot-id": 2**70, "timestamp-ms": MILLISECONDS}
    return {
        "odd.columns": table("odd.columns", [column(1, "a\x00"), column(2, "a\N{REPLACEMENT CHARACTER}")]),
        "odd.snapshot": table("odd.snapshot", good, snapshots=[snapshot]),
        "odd.time": table("odd.time", good, **{"last-updated-ms": 10**30}),
        "odd.view": {**view("odd.view", MILLISECONDS), "current-version-id": 7},
    }


def test_what_nobody_thought_of_keeps_no_other_table_from_being_read(lake: Lake) -> None:
    for name, metadata in odd().items():
        lake.put(name, metadata)
    lake.put("silver.flights", table("silver.flights", [column(1, "carrier")]))
    assert lake.read() == 1
    answer = lake.covered()
    assert set(answer["unread"]) == set(odd())
    assert (answer["problem"], lake.covered("silver")["unread"]) == ("", {})
    assert set(lake.covered("odd.time")["unread"]) == {"odd.time"}
    assert lake.execute("SELECT name FROM node") == [("silver.flights",)]
    # They are not asked for every second again, unless they have changed.
    asked = lake.store.asked.total()
    lake.put("odd.view", view("odd.view", MILLISECONDS))
    assert lake.read() == 1
    assert lake.store.asked.total() == asked + 1
    assert set(lake.covered()["unread"]) == set(odd()) - {"odd.view"}


def test_when_the_object_store_is_away_a_few_files_are_tried_and_all_are_read_afterwards(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        lake.put(f"silver.t{number}", table(f"silver.t{number}", [column(1, "a")]))
    lake.store.away = 503
    assert lake.read() == 0
    assert lake.covered()["problem"].startswith("its object store cannot be read")
    assert len(lake.store.asked) == 8
    asked = lake.store.asked.total()
    assert lake.read() == 0
    assert lake.store.asked.total() == asked
    lake.store.away = 0
    monkeypatch.setattr(lake.reader, "_away_until", 0.0)
    monkeypatch.setattr(lake.reader, "_unread", {})
    assert lake.read() == 20
    assert (lake.covered()["problem"], lake.covered()["unread"]) == ("", {})


def test_a_view_whose_shadow_is_discarded_has_its_own_version_again(lake: Lake) -> None:
    lake.put("gold.names", view("gold.names", MILLISECONDS))
    lake.put("gold__audit_0123456789.names", view("gold.names", MILLISECONDS + 60_000))
    lake.read()
    assert lake.execute("SELECT committed_at FROM snapshot") == [(START + timedelta(minutes=1),)]
    lake.drop("gold__audit_0123456789.names")
    lake.read()
    assert lake.execute("SELECT committed_at, gone_at FROM snapshot") == [(START, None)]


def test_of_two_readers_one_reads_and_the_other_goes_on_when_it_is_gone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_LOOK_SECONDS", 0.05)

    async def until(look: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not look():
                await asyncio.sleep(0.05)

    def is_known(name: str) -> bool:
        return bool(lake.execute("SELECT 1 FROM catalog_entry WHERE name = %s", name))

    async def both() -> list[bool]:
        readers = [lake.reader, Lake(lake.database, lake.store).reader]
        tasks = [asyncio.create_task(one.run()) for one in readers]
        try:
            await until(lambda: is_known("silver.first"))
            reads = [one._known is not None for one in readers]
            first = reads.index(True)
            tasks[first].cancel()
            lake.put("silver.second", table("silver.second", [column(1, "a")]))
            await until(lambda: is_known("silver.second"))
            return [*reads, readers[1 - first]._known is not None]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    lake.put("silver.first", table("silver.first", [column(1, "a")]))
    assert sorted(asyncio.run(both())) == [False, True, True]


def lake_event(run: uuid.UUID, at: datetime, sql: str) -> bytes:
    """Return the end of a Trino query that reads silver.flights and writes gold.flights."""
    names = [{"namespace": "lakehouse", "name": name} for name in ("silver.flights", "gold.flights")]
    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": at.isoformat(),
            "producer": trino.PRODUCER,
            "schemaURL": "urn:schema",
            "run": {"runId": str(run)},
            "job": {"namespace": "lakehold", "name": str(run), "facets": {"sql": {"query": sql, "dialect": "trino"}}},
            "inputs": names[:1],
            "outputs": names[1:],
        }
    ).encode()


def test_only_statements_that_see_other_columns_are_read_again(lake: Lake) -> None:
    from lakehold.lineage.graph.readings import SqlReader
    from lakehold.lineage.graph.worker import drain

    early, late = uuid.UUID(int=1), uuid.UUID(int=2)
    times = {early: START + timedelta(hours=1), late: START + timedelta(hours=3)}

    async def tell(connection: Connection) -> None:
        told = "INSERT INTO gold.flights SELECT * FROM silver.flights"
        await rows.insert(connection, [parse(lake_event(run, at, told)) for run, at in times.items()])
        await derive.step(connection)
        await drain(connection, SqlReader("lakehouse"))

    def due() -> set[uuid.UUID]:
        return {run for (run,) in lake.execute("DELETE FROM due RETURNING run_id")}

    lake.put("gold.flights", table("gold.flights", [column(1, "a")]))
    lake.put("silver.flights", table("silver.flights", [column(1, "a")]))
    lake.read()
    lake.run(tell)
    assert due() == set()
    lake.put("silver.flights", table("silver.flights", [column(1, "a", doc="A comment")]))
    assert lake.read() == 1
    assert due() == set()
    wider = table("silver.flights", [column(1, "a"), column(2, "b")])
    wider["schemas"].insert(0, {"schema-id": 1, "fields": [column(1, "a")]})
    wider["snapshots"] = [
        {"snapshot-id": 1, "timestamp-ms": MILLISECONDS + 2 * 3_600_000, "schema-id": 0, "summary": {}}
    ]
    lake.put("silver.flights", wider)
    lake.read()
    assert due() == {late}
    lake.put("silver.flights", table("silver.flights", [column(2, "b"), column(1, "a")]))
    lake.read()
    assert due() == {early, late}


def snapshots(lake: Lake, queries: list[str], at: datetime = START) -> None:
    """Give gold.flights a snapshot of each query."""
    found = [
        {
            "snapshot-id": number,
            "timestamp-ms": int(at.timestamp() * 1000) + number,
            "summary": {"operation": "append", "added-records": "many", "trino_query_id": query},
        }
        for number, query in enumerate(queries, start=1)
    ]
    lake.put("gold.flights", table("gold.flights", [column(1, "a")], snapshots=found))
    lake.read()


def query_of(number: int) -> str:
    return f"20260101_000000_{number:05}_abcde"


def test_every_page_of_what_nobody_explains_is_matched(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(match, "PAGE", 2)
    snapshots(lake, [query_of(number) for number in range(5)])

    async def tell(connection: Connection) -> list[int]:
        from lakehold.lineage.graph.readings import SqlReader
        from lakehold.lineage.graph.worker import drain

        runs = [trino.run_id(query_of(number)) for number in (0, 4)]
        told = "INSERT INTO gold.flights SELECT * FROM silver.flights"
        await rows.insert(connection, [parse(lake_event(run, START, told)) for run in runs])
        await derive.step(connection)
        await drain(connection, SqlReader("lakehouse"))
        matcher = match.Matcher()
        # The newest first, and the oldest in their turn, also where there is something new each time.
        found = [await matcher.step(connection, new=True) for _ in range(3)]
        while matcher.under_way:
            found.append(await matcher.step(connection, new=False))
        return found

    assert lake.run(tell) == [1, 0, 1, 0, 0]
    # Each way of matching that fails says so, and keeps no other from being tried.
    assert "not matched" not in caplog.text
    lake.execute("ALTER FUNCTION meanwhile RENAME TO until_then")
    assert lake.run(lambda connection: match.Matcher().step(connection, new=True)) == 0
    assert "snapshots are not matched by time now" in caplog.text
    answer = lake.covered("gold.flights")
    assert (answer["explained"], answer["unexplained"]) == (2, 3)
    assert {one["rows"] for one in answer["missing"]} == {0}


def info(query: str) -> bytes:
    """Return what Trino says of a query that has written gold.flights."""
    times = {"createTime": "2026-01-01T00:00:00.000Z", "endTime": "2026-01-01T00:00:01.000Z"}
    return json.dumps(
        {
            "queryId": query,
            "session": {"user": "dbt", "catalog": "lakehouse"},
            "state": "FINISHED",
            "self": f"https://127.0.0.1:18443/v1/query/{query}",
            "query": "INSERT INTO gold.flights SELECT a FROM silver.flights",
            "queryType": "INSERT",
            "queryStats": times,
            "output": {"catalogName": "lakehouse", "schema": "gold", "table": "flights"},
        }
    ).encode()


def test_one_query_that_cannot_be_told_now_keeps_no_other_waiting(lake: Lake) -> None:
    now = datetime.now(UTC) - timedelta(minutes=10)
    snapshots(lake, [query_of(1), query_of(2), query_of(3), "../../v1/info"], at=now)
    for number, (status, body) in {1: (200, info(query_of(1))), 2: (500, b""), 3: (200, b"no JSON")}.items():
        lake.store.by_path[f"/v1/query/{query_of(number)}"] = status, body
    again = Again(History(Trino(url=lake.store.url, ca="", user="lineage", password="secret")))
    assert lake.run(again.step) == 1
    asked = dict(lake.execute("SELECT snapshot_id, (asked, asked_at IS NULL)::text FROM snapshot"))
    assert asked == {1: "(1,f)", 2: "(0,f)", 3: "(1,f)", 4: "(1,f)"}
    assert "/v1/info" not in lake.store.asked
    # The one that failed is asked for again in a minute, and given up after a day.
    lake.execute("UPDATE snapshot SET asked_at = asked_at - interval '2 min', committed_at = now() - interval '2 d'")
    assert lake.run(again.step) == 0
    assert lake.store.asked[f"/v1/query/{query_of(2)}"] == 2
    assert lake.execute("SELECT min(asked) FROM snapshot") == [(1,)]
