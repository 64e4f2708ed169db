"""The publisher against a FAKE OpenMetadata that answers as a live 1.2 was recorded to; every payload by its schema."""

import asyncio
import json

import openmetadata_schemas
import psycopg
import pytest
from fake_openmetadata import FakeOpenMetadata
from faulty_http import FaultyServer, serving
from lakehold.lineage.database import connect
from lakehold.lineage.sinks import feed
from made_graph import BEGIN, column
from publishing import DAG_RUN, EDGES, Lineage, publishing, row, told, until

pytestmark = pytest.mark.component


VERSIONS = {
    "1.2.0-SNAPSHOT": FakeOpenMetadata("1.2.0-SNAPSHOT"),
    "1.4.0": FakeOpenMetadata("1.4.0"),
    "2.0.6": FakeOpenMetadata("2.0.6"),
    "1.9 with the words of 1.2": FakeOpenMetadata("1.9.0", old=True),
    "1.5 with the words of 2.0": FakeOpenMetadata("1.5.0", old=False),
}
"""The last two: what came in which version is assumed, and may be otherwise."""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_graph_arrives_in_every_version_s_words(graph: Lineage, version: str) -> None:
    graph.edges("flights_daily.silver.join", EDGES)
    graph.connection.execute("UPDATE node SET description = 'Mean delays' WHERE name = 'gold.delays'")
    graph.statement("flights_daily.silver.join", "gold.delays", "INSERT INTO gold.delays SELECT avg(arr_delay)")
    graph.dag_run({"load": ["check"], "check": []}, {"load": "success", "check": "failed"})
    graph.connection.execute("UPDATE edge SET last_run = %s", (DAG_RUN,))
    graph.connection.execute(
        "INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at, details) VALUES (%s, %s,"
        " 'carrier', 'known_carrier', false, %s, %s)",
        (
            DAG_RUN,
            graph.node(column("gold.delays").table),
            BEGIN,
            json.dumps({"assertion": "expect_column_values_to_be_in_set", "actual": "3 rows", "severity": "error"}),
        ),
    )
    fake = VERSIONS[version]
    fake._upsert("user", "ann", {"name": "ann"})
    with serving(fake) as server, publishing(graph.connection.info.dsn, server.url):
        told(graph)
        graph.change(f"run:{DAG_RUN}", f"quality:{DAG_RUN}")
        told(graph)
        writes = [request for request in server.requests if request.method in {"PUT", "POST"}]
    assert row(graph)[3] == 0, graph.connection.execute("SELECT item, reason FROM sink_letter").fetchall()
    assert fake.named("table") == [
        f"lakehold.lakehouse.{name}" for name in ("bronze.flights", "gold.delays", "silver.flights")
    ]
    assert fake.named("container") == ["lakehold_files.landing/flights"]
    edge = fake.edge("lakehold.lakehouse.silver.flights", "lakehold.lakehouse.gold.delays")
    assert edge is not None
    assert edge["sqlQuery"] == "INSERT INTO gold.delays SELECT avg(arr_delay)"
    assert edge["pipeline"]["id"] == fake.entities["pipeline"]["lakehold_airflow.flights_daily"]["id"]
    assert [(pair["fromColumns"], pair["toColumn"], pair["function"]) for pair in edge["columnsLineage"]] == [
        (["lakehold.lakehouse.silver.flights.carrier"], "lakehold.lakehouse.gold.delays.carrier", "IDENTITY"),
        (["lakehold.lakehouse.silver.flights.arr_delay"], "lakehold.lakehouse.gold.delays.mean_delay", "AGGREGATION"),
    ]
    assert fake.edge("lakehold_files.landing/flights", "lakehold.lakehouse.bronze.flights") is not None
    assert fake.entities["table"]["lakehold.lakehouse.gold.delays"]["description"] == "Mean delays"
    pipeline = fake.entities["pipeline"]["lakehold_airflow.flights_daily"]
    assert [task["name"] for task in pipeline["tasks"]] == ["check", "load"]
    assert pipeline["tags"][0]["tagFQN"] == "Airflow.main"
    owner = pipeline["owner"] if fake.old else pipeline["owners"][0]
    assert owner == {"id": fake.entities["user"]["ann"]["id"], "type": "user"}
    (status,) = fake.statuses.values()
    assert status["executionStatus"] == "Successful"
    assert {task["name"]: task["executionStatus"] for task in status["taskStatus"]} == {
        "load": "Successful",
        "check": "Failed",
    }
    (((case, _), result),) = fake.results.items()
    assert case == "lakehold.lakehouse.gold.delays.carrier.known_carrier"
    assert (result["testCaseStatus"], result["result"]) == ("Failed", "error: actual 3 rows")
    if version in {"1.2.0-SNAPSHOT", "1.4.0"}:
        assert not [
            error for write in writes for error in openmetadata_schemas.errors(write.method, write.path, write.json())
        ]


def test_what_did_not_change_is_not_sent_again(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        before = len(fake.writes)
        for _ in range(3):
            graph.changed_node("gold.delays")
            graph.change(graph.pair("silver.flights", "gold.delays"))
        told(graph)
        assert len(fake.writes) == before
        graph.field(column("gold.delays.flights"))
        graph.changed_node("gold.delays")
        told(graph)
        assert fake.writes[before:] == [("PUT", "/api/v1/tables")]


def test_a_struct_whose_members_are_not_told_is_taken(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    """As the catalog describes it: its members are in its type only."""
    graph.edges("dbt:delays", EDGES)
    graph.field(column("gold.delays.place"), "struct<city: string, at: struct<lat: double>>")
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert row(graph)[3] == 0, graph.connection.execute("SELECT item, reason FROM sink_letter").fetchall()
    columns = {one["name"]: one for one in fake.entities["table"]["lakehold.lakehouse.gold.delays"]["columns"]}
    assert columns["place"]["dataTypeDisplay"] == "struct<city: string, at: struct<lat: double>>"


def test_an_edge_that_ended_is_removed(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    graph.edges("dbt:delays", EDGES)
    names = ("lakehold.lakehouse.silver.flights", "lakehold.lakehouse.gold.delays")
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        assert fake.edge(*names) is not None
        target = graph.node(column("gold.delays").table)
        graph.connection.execute("UPDATE edge SET ended_at = now() WHERE target_node = %s", (target,))
        graph.change(graph.pair("silver.flights", "gold.delays"))
        told(graph)
        assert fake.edge(*names) is None


def test_an_edge_that_ended_while_everything_was_told_again_is_removed(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        assert len(fake.edges) == 3
    target = graph.node(column("gold.delays").table)
    graph.connection.execute("UPDATE edge SET ended_at = now() WHERE target_node = %s", (target,))
    graph.change(graph.pair("silver.flights", "gold.delays"))
    graph.connection.execute("DELETE FROM sink_sent")
    graph.connection.execute("UPDATE sink SET backfill = 'node:'")
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert len(fake.edges) == 2


def test_a_result_that_is_there_is_one_request(graph: Lineage, server: FaultyServer) -> None:
    graph.edges("dbt:delays", EDGES)
    graph.dag_run({}, {})
    graph.connection.execute(
        "INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at, details)"
        " VALUES (%s, %s, '', 'rule', true, %s, '{}')",
        (DAG_RUN, graph.node(column("gold.delays").table), BEGIN),
    )
    for _ in range(2):  # the second process does not know what the first one sent
        with publishing(graph.connection.info.dsn, server.url):
            told(graph)
            graph.change(f"quality:{DAG_RUN}")
            told(graph)
    assert len([request for request in server.requests if request.path.endswith("/testCaseResult")]) == 2


def test_what_is_being_written_while_a_catalog_begins_is_told_it(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    """A number of a change is given before it is committed, and a larger one may be there already."""
    graph.edges("dbt:delays", EDGES)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    with psycopg.connect(graph.connection.info.dsn) as writer:
        writer.execute("UPDATE node SET description = 'written' WHERE name = 'gold.delays' RETURNING node_id")
        writer.execute("INSERT INTO change (kind, id) SELECT 'node', node_id FROM node WHERE name = 'gold.delays'")
        graph.changed_node("silver.flights")
        with publishing(graph.connection.info.dsn, server.url):
            until(lambda: graph.connection.execute(waits).fetchone() == (1,))
            assert fake.writes == []
            writer.commit()
            told(graph)
    assert fake.entities["table"]["lakehold.lakehouse.gold.delays"]["description"] == "written"


def test_vacuum_does_not_keep_a_sink_waiting_and_a_writer_does(graph: Lineage) -> None:
    async def settled() -> int | None:
        async with await connect(graph.connection.info.dsn, "test") as connection:
            return await feed.settled(connection)

    graph.change("node:1")
    with psycopg.connect(graph.connection.info.dsn) as other:
        other.execute("LOCK TABLE change IN SHARE UPDATE EXCLUSIVE MODE")  # as vacuum has it
        assert asyncio.run(settled()) is not None
        other.execute("INSERT INTO change (kind, id) VALUES ('node', '2')")
        assert asyncio.run(settled()) is None
        other.commit()
        high = asyncio.run(settled())
    assert high == graph.connection.execute("SELECT max(change_id) FROM change").fetchone()[0]  # type: ignore[index]


def test_an_emptied_catalog_is_filled_again(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        edges = len(fake.edges)
        fake.empty()
        graph.field(column("gold.delays.flights"))
        graph.changed_node("gold.delays")
        until(lambda: len(fake.edges) == edges)
        told(graph)
    assert len(fake.named("table")) == 3
    assert row(graph)[3] == 0


def test_a_restart_finds_an_emptied_catalog_without_any_change(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    fake.empty()
    with publishing(graph.connection.info.dsn, server.url):
        until(lambda: len(fake.edges) == 3)


def test_a_table_removed_there_is_made_again_with_its_edges(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        gone = fake.entities["table"].pop("lakehold.lakehouse.silver.flights")
        fake.edges = {ends: details for ends, details in fake.edges.items() if gone["id"] not in ends}
        graph.field(column("silver.flights.tailnum"))
        graph.changed_node("silver.flights")
        until(lambda: len(fake.edges) == 3)
        told(graph)


def test_an_unknown_column_there_is_put_back(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    """Somebody else's ingestion has taken a column away: the table is sent again, and the edge fits."""
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        fake.entities["table"]["lakehold.lakehouse.gold.delays"]["columns"] = []
        graph.edges("dbt:delays", ["silver.flights.day -> gold.delays.day IDENTITY"])
        graph.change(graph.pair("silver.flights", "gold.delays"))
        told(graph)
    assert row(graph)[3] == 0
    edge = fake.edge("lakehold.lakehouse.silver.flights", "lakehold.lakehouse.gold.delays")
    assert edge is not None
    assert len(edge["columnsLineage"]) == 3


def test_a_service_with_a_connection_is_left_as_it_is(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    fake._upsert("databaseService", "lakehold", {"name": "lakehold", "serviceType": "Trino", "connection": {"x": 1}})
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert fake.entities["databaseService"]["lakehold"]["connection"] == {"x": 1}
    assert len(fake.edges) == 3


def test_order_is_kept_for_each_table(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    """What arrives last is what is true last, however the changes fall into windows."""
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        for number in range(40):
            graph.connection.execute("UPDATE node SET description = %s", (f"version {number}",))
            graph.field(column(f"gold.delays.c{number}"))
            graph.changed_node("gold.delays")
        told(graph)
        sent = [len(request.json()["columns"]) for request in server.requests if b'"name":"delays"' in request.body]
    assert sent == sorted(sent)
    assert len(fake.entities["table"]["lakehold.lakehouse.gold.delays"]["columns"]) == 42
