"""The publisher when something goes wrong: a FAKE OpenMetadata that fails, refuses, limits, or is none."""

import itertools
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from fake_openmetadata import FakeOpenMetadata
from faulty_http import Answer, Fault, FaultyServer, Request, serving
from lakehold.lineage.sinks.model import Delivery, Item, Reads, UnavailableError
from lakehold.lineage.sinks.openmetadata import payloads, reading
from lakehold.lineage.sinks.openmetadata.records import Node
from made_graph import BEGIN, column
from publishing import DAG_RUN, EDGES, Lineage, letters, publishing, row, told, until, working

pytestmark = pytest.mark.component


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


def test_owners_and_tags_of_many_tables_are_asked_for_at_once(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, asked = reading.said, []

    async def counted(connection: Any, nodes: Sequence[Node]) -> list[Node]:
        asked.append(len(nodes))
        return await said(connection, nodes)

    monkeypatch.setattr(reading, "said", counted)
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert asked == [4]
    assert len(fake.named("table")) == 3


def test_what_an_odd_event_says_of_one_table_is_not_in_the_way_of_others(
    graph: Lineage, server: FaultyServer, fake: FakeOpenMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = reading.said

    async def odd(connection: Any, nodes: Sequence[Node]) -> list[Node]:
        if any(node.name == "gold.delays" for node in nodes):
            raise RecursionError("so deep")
        return await said(connection, nodes)

    monkeypatch.setattr(reading, "said", odd)
    graph.edges("dbt:delays", EDGES)
    with publishing(graph.connection.info.dsn, server.url):
        told(graph)
    assert "RecursionError: so deep (5 times" in letters(graph)[f"node:{graph.node(column('gold.delays').table)}"]
    assert len(fake.named("table")) == 2


class _Fails:
    """A sink that fails twice, and notes how much it was to be told at once."""

    name = "fails"
    reads: Reads = "change"

    def __init__(self) -> None:
        self.windows: list[int] = []

    async def deliver(self, _connection: Any, window: Sequence[Item], /, *, again: bool = False) -> Delivery:
        assert not again
        self.windows.append(len(window))
        if len(self.windows) <= 2:
            return Delivery(done=0, problem=UnavailableError("not now"))
        return Delivery(done=len(window))

    async def look(self, _connection: Any, /) -> None:
        pass

    async def close(self) -> None:
        pass

    def forget(self) -> None:
        pass


def test_after_a_failure_half_as_much_is_told_at_once(graph: Lineage) -> None:
    sink = _Fails()
    with working(graph.connection.info.dsn, lambda: sink):
        told(graph)
        with graph.connection.transaction():
            graph.connection.execute("INSERT INTO change (kind, id) SELECT 'node', n FROM generate_series(1, 600) n")
        told(graph)
    assert sink.windows == [500, 250, 125, 250, 225]


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
