"""The publisher against a FAKE OpenMetadata that answers as a live 1.2 was recorded to; every payload by its schema."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import openmetadata_schemas
import psycopg
import pytest
from fake_openmetadata import FakeOpenMetadata
from faulty_http import Answer, Fault, FaultyServer, Request, serving
from lakehold.lineage.database import connect
from lakehold.lineage.sinks import feed
from lakehold.lineage.sinks.openmetadata import payloads, reading
from lakehold.lineage.sinks.openmetadata.records import Node
from made_graph import BEGIN, column
from publishing import DAG_RUN, EDGES, Lineage, letters, publishing, row, told, until

pytestmark = pytest.mark.component


@pytest.fixture
def graph(postgres: Any) -> Iterator[Lineage]:
    yield from Lineage.fresh(postgres.database)


VERSIONS = {
    "1.2.0-SNAPSHOT": FakeOpenMetadata("1.2.0-SNAPSHOT"),
    "1.4.0": FakeOpenMetadata("1.4.0"),
    "2.0.6": FakeOpenMetadata("2.0.6"),
    "1.9 with the words of 1.2": FakeOpenMetadata("1.9.0", old=True),
    "1.5 with the words of 2.0": FakeOpenMetadata("1.5.0", old=False),
}
"""The last two: what came in which version is assumed, and may be otherwise."""


@pytest.fixture
def fake() -> FakeOpenMetadata:
    return FakeOpenMetadata("1.2.0-SNAPSHOT")


@pytest.fixture
def server(fake: FakeOpenMetadata) -> Iterator[FaultyServer]:
    with serving(fake) as started:
        yield started


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


def test_events_nobody_thought_of_stop_nothing(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    """What the receiver takes, since Python reads it as JSON: half a surrogate pair, a number without an end."""
    graph.edges("dbt:delays", EDGES)
    graph.field(column("gold.delays.wide"), f"varchar({10**30})")
    graph.dag_run({"load": [["a list"], {"an": "object"}], "check": []}, {"load": "success"})  # type: ignore[list-item]
    graph.connection.execute(
        "UPDATE event SET body = replace(replace(body, 'The main job.', %s), '\"jobType\": \"DAG\"', %s)",
        ("\\ud800 job", '"jobType": "DAG", "number": 1e999'),
    )
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        graph.change(f"run:{DAG_RUN}")
        told(graph)
    assert letters(graph) == {}
    assert fake.entities["pipeline"]["lakehold_airflow.flights_daily"]["description"] == "? job"
    assert len(fake.statuses) == 1
    assert len(fake.edges) == 3


def test_a_mistake_of_ours_over_one_table_does_not_stop_the_others(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = payloads.table

    def mistaken(schema: str, node: Node, *rest: Any, **more: Any) -> payloads.Payload:
        if node.name == "gold.delays":
            raise TypeError("unhashable type: 'dict'")
        return table(schema, node, *rest, **more)

    monkeypatch.setattr(payloads, "table", mistaken)
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    found = letters(graph)
    assert "TypeError: unhashable type: 'dict' (5 times" in found[f"node:{graph.node(column('gold.delays').table)}"]
    assert "its table was refused" in found[graph.pair("silver.flights", "gold.delays")]
    assert len(fake.edges) == 2


def test_under_a_limit_of_requests_every_attempt_comes_further(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    """Also with what has no entity of its own: how runs went, and what gates found."""
    graph.edges("dbt:delays", EDGES)
    graph.dag_run({}, {})
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    node = graph.node(column("gold.delays").table)
    for number in range(30):
        graph.connection.execute(
            "INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at, details)"
            " VALUES (%s, %s, 'carrier', %s, true, %s, '{}')",
            (DAG_RUN, node, f"rule {number}", BEGIN),
        )
    graph.change(f"quality:{DAG_RUN}")
    asked = itertools.count(1)
    server.choose = lambda _request: None if next(asked) % 10 else Fault(status=429, headers={"Retry-After": "0"})
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert len(fake.results) == 30
    results = [path for _, path in fake.writes if "testCaseResult" in path]
    assert len(results) == len(set(results)) == 30, "a result was sent twice"


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


def faults() -> dict[str, list[Fault]]:
    return {
        "5xx": [Fault(status=500, body=b'{"responseMessage": "PSQLException: FATAL"}'), Fault(status=503)],
        "429": [Fault(status=429, headers={"Retry-After": "1"})],
        "dropped": [Fault(drop=True)],
        "lost answer": [Fault(done=True)],
        "slow": [Fault(seconds=1.5)],
        "conflict": [Fault(status=409, body=b'{"code": 409, "message": "Entity already exists"}')],
    }


@pytest.mark.parametrize("name", list(faults()))
def test_whatever_goes_wrong_everything_arrives(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, name: str
) -> None:
    """Each kind of write meets the fault once."""
    graph.edges("dbt:delays", EDGES)
    waiting = {kind: faults()[name] for kind in ("databaseServices", "tables", "lineage", "containers")}
    if name == "slow":
        waiting = {"lineage": faults()[name]}

    def choose(request: Request) -> Fault | None:
        kind = request.path.rpartition("/")[2]
        return waiting[kind].pop(0) if request.method == "PUT" and waiting.get(kind) else None

    server.choose = choose
    with publishing(graph.connection.info.dsn, server.url, seconds=1.0 if name == "slow" else 15.0):
        told(graph)
    assert row(graph)[3] == 0
    assert len(fake.edges) == 3
    assert len(fake.named("table")) == 3
    assert not any(waiting.values()), "a fault did not happen"


def test_a_wrong_token_costs_nothing_and_says_so(graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata) -> None:
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url, token="another"):
        until(lambda: row(graph)[1] > 0)
    assert row(graph)[2] == "it does not let us in: 401 Invalid token"
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert len(fake.edges) == 3


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


def test_a_refused_table_is_a_letter_and_the_others_go_on(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    graph.edges("dbt:delays", EDGES)
    bad, answer = b'"name":"delays"', Fault(status=400, body=b'{"code": 400, "message": "not this"}')
    server.choose = lambda request: answer if bad in request.body else None
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        assert sorted(letters(graph).values()) == ["400 not this", "its table was refused: 400 not this"]
        assert len(fake.edges) == 2
        server.choose = lambda _request: None
        graph.connection.execute("UPDATE sink_letter SET asked_at = now()")
        until(lambda: row(graph)[3] == 0)
        assert len(fake.edges) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=500, body=b'{"responseMessage": "NullPointerException"}'), "NullPointerException (5 times"),
        (Fault(status=502), "502 (5 times"),
        (Fault(drop=True), "no answer"),
    ],
)
def test_an_entity_it_always_breaks_over_is_put_aside(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, fault: Fault, reason: str
) -> None:
    graph.edges("dbt:delays", EDGES)
    bad = b'"name":"delays"'
    server.choose = lambda request: fault if request.method == "PUT" and bad in request.body else None
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
        found = letters(graph)
        assert reason in found[f"node:{graph.node(column('gold.delays').table)}"]
        assert "its table was refused" in found[graph.pair("silver.flights", "gold.delays")]
        assert len(fake.edges) == 2
        server.choose = lambda _request: None
        graph.connection.execute("UPDATE sink_letter SET asked_at = now()")
        until(lambda: letters(graph) == {})
    assert len(fake.edges) == 3


def test_while_its_database_is_down_nothing_is_put_aside(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata
) -> None:
    graph.edges("dbt:delays", EDGES)
    server.choose = lambda request: (
        None if "version" in request.path else Fault(status=500, body=b'{"responseMessage": "PSQLException"}')
    )
    with publishing(graph.connection.info.dsn, server.url):
        for attempts in range(1, 8):
            until(lambda attempts=attempts: row(graph)[1] >= attempts)
            graph.connection.execute("UPDATE sink SET retry_at = NULL")
        assert row(graph)[3] == 0
        server.choose = lambda _request: None
        told(graph)
    assert len(fake.edges) == 3


@pytest.mark.parametrize("status", [403, 503])
def test_one_that_can_be_read_but_not_written_puts_nothing_aside(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, status: int
) -> None:
    """A bot without a role, say: also where somebody else has made the service."""
    fake._upsert("databaseService", "lakehold", {"name": "lakehold", "serviceType": "Trino"})
    graph.edges("dbt:delays", EDGES)
    server.choose = lambda request: None if request.method == "GET" else Fault(status=status, body=b"no")
    with publishing(graph.connection.info.dsn, server.url):
        for attempts in range(1, 8):
            until(lambda attempts=attempts: row(graph)[1] >= attempts)
            graph.connection.execute("UPDATE sink SET retry_at = NULL")
        assert (letters(graph), f"{status} no" in row(graph)[2]) == ({}, True)
        server.choose = lambda _request: None
        told(graph)
    assert len(fake.edges) == 3


def test_a_statement_that_takes_too_long_is_shown(
    graph: Lineage, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is there; it is not waited for in silence."""

    async def slow(*_arguments: object) -> list[Node]:
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr(reading, "nodes", slow)
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        until(lambda: row(graph)[1] > 0)
    assert row(graph)[2] == "QueryCanceled: canceling statement due to statement timeout"


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


HTML = Answer(200, b"<html>Log in", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404, b"<html>"), "404 <html>"),
        (HTML, "200 with what OpenMetadata does not say: <html>Log in"),
        (Answer(200, b"{}", {"Content-Type": "application/json"}), "it is no OpenMetadata"),
        (Answer(200), "it is no OpenMetadata"),
    ],
)
def test_what_is_no_openmetadata_is_told_nothing_and_shown(graph: Lineage, answer: Answer, reason: str) -> None:
    graph.edges("dbt:delays", EDGES)
    with serving(lambda _request: answer) as other, publishing(graph.connection.info.dsn, other.url):
        until(lambda: row(graph)[1] > 0)
    assert row(graph)[3] == 0
    assert reason in row(graph)[2]
    assert graph.connection.execute("SELECT 1 FROM sink_sent").fetchall() == []


@pytest.mark.parametrize("answer", [HTML, Answer(200)], ids=["a page", "nothing"])
def test_a_proxy_that_answers_instead_has_taken_nothing(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, answer: Answer
) -> None:
    graph.edges("dbt:delays", EDGES)
    server.choose = lambda request: (
        Fault(status=200, body=answer.body, headers=answer.headers) if "/tables" in request.path else None
    )
    with publishing(graph.connection.info.dsn, server.url):
        until(lambda: row(graph)[1] > 0)
        assert "OpenMetadata" in row(graph)[2]
        server.choose = lambda _request: None
        told(graph)
    assert len(fake.edges) == 3
