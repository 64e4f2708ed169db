"""The sink for OpenLineage endpoints: whatever the endpoint does, it is told every event, in order.

Most tests run the sink's worker by itself, on a database of its own; the last ones are about the service it runs in.
"""

import asyncio
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from faulty_http import Answer, Fault, FaultyServer, Request, serving
from free_ports import free_ports
from lakehold.lineage import rows
from lakehold.lineage.database import connect
from lakehold.lineage.event import parse
from lakehold.lineage.migrate import ensure_schema
from lakehold.lineage.sinks import book, feed
from lakehold.lineage.sinks.openlineage import OpenLineageSink
from lakehold.lineage.sinks.settings import Endpoint
from publishing import until, working

pytestmark = pytest.mark.component

TOKEN = "what-the-endpoint-wants"


def event_of(number: int, dataset: str) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2013-01-01T05:00:00.{number:06d}Z",
        "run": {"runId": str(uuid.uuid4())},
        "job": {"namespace": "lakehold", "name": f"writes {dataset}"},
        "outputs": [{"namespace": "lakehouse", "name": dataset}],
        "producer": f"urn:number:{number}",
        "schemaURL": "urn:schema",
    }


def events(count: int, *, tables: int = 1, first: int = 0) -> list[dict[str, Any]]:
    """Events with their numbers, by turns of some tables: those of a table must keep their order."""
    return [event_of(number, f"gold.t{number % tables}") for number in range(first, first + count)]


class EndpointOfOthers:
    """Keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.passed_to: httpx.Client | None = None
        """A real service that decides instead."""

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer(401)
        self.taken.append(request.json())
        if self.passed_to is not None:
            return Answer(self.passed_to.post("/api/v1/lineage", content=request.body).status_code)
        return Answer(201)

    def numbers(self) -> list[int]:
        return [int(event["producer"].rpartition(":")[2]) for event in self.taken]

    def firsts(self) -> list[int]:
        """The numbers in the order they first came in: what was taken may be told once more."""
        return list(dict.fromkeys(self.numbers()))

    def in_order(self) -> bool:
        """Whether no event of a table first came in after a later one of it."""
        found = defaultdict(list)
        for event, number in zip(self.taken, self.numbers(), strict=True):
            found[event["outputs"][0]["name"]].append(number)
        return all(firsts == sorted(firsts) for firsts in (list(dict.fromkeys(one)) for one in found.values()))


class Events:
    """The events of a database of its own, and how far the sink has come with them."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.connection = psycopg.connect(database, autocommit=True)
        self.connection.execute("TRUNCATE event RESTART IDENTITY")
        self.connection.execute("TRUNCATE sink CASCADE")

    def add(self, bodies: list[dict[str, Any]]) -> None:
        async def insert() -> None:
            async with await connect(self.database, "test") as connection:
                await rows.insert(connection, [parse(json.dumps(body).encode()) for body in bodies])

        asyncio.run(insert())

    def sink(self) -> tuple[int, int, str]:
        """How many it was not told, how often it failed since it last was, and why."""
        found = self.connection.execute(
            "SELECT (SELECT count(*) FROM event WHERE event_id > position), attempts, coalesce(last_error, '')"
            " FROM sink"
        ).fetchone()
        return found or (-1, 0, "")

    def hurry(self) -> bool:
        """Have the next attempt made now: how long it waits is not what these tests are about."""
        return bool(self.connection.execute("UPDATE sink SET retry_at = NULL"))

    def told(self) -> None:
        until(lambda: self.hurry() and self.sink()[0] == 0)

    def fail(self, times: int) -> str:
        """Wait until it has failed so often; return why it did last."""
        until(lambda: self.hurry() and self.sink()[1] >= times)
        return self.sink()[2]

    def letters(self) -> list[str]:
        found = self.connection.execute("SELECT reason FROM sink_letter WHERE replayed_at IS NULL ORDER BY letter_id")
        return [reason for (reason,) in found]

    def replay(self) -> None:
        self.connection.execute("UPDATE sink_letter SET asked_at = now() WHERE replayed_at IS NULL")
        self.hurry()

    def asked(self) -> int:
        found = self.connection.execute("SELECT count(*) FROM sink_letter WHERE asked_at IS NOT NULL").fetchone()
        return int(found[0]) if found else 0


def made(postgres: Any, name: str) -> str:
    """Make a lineage database; return how to connect to it."""
    with psycopg.connect(postgres.database, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    found = str(postgres.database).replace("dbname=lineage", f"dbname={name}")
    ensure_schema(found)
    return found


@pytest.fixture(scope="module")
def apart(postgres: Any) -> str:
    return made(postgres, "apart")


@pytest.fixture
def log(apart: str) -> Iterator[Events]:
    found = Events(apart)
    yield found
    found.connection.close()


@pytest.fixture
def others() -> EndpointOfOthers:
    return EndpointOfOthers()


@pytest.fixture
def server(others: EndpointOfOthers) -> Iterator[FaultyServer]:
    with serving(others) as started:
        yield started


@pytest.fixture
def telling(apart: str, server: FaultyServer) -> Callable[[], AbstractContextManager[None]]:
    endpoint = Endpoint(url=f"{server.url}/api/v1/lineage", token=TOKEN)
    return lambda: working(apart, lambda: OpenLineageSink(endpoint))


def test_nothing_is_lost_and_order_is_kept_whatever_goes_wrong(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any
) -> None:
    server.faults.extend(
        [
            Fault(status=500, body=b"broken"),
            Fault(drop=True),
            Fault(done=True),
            Fault(status=429, headers={"Retry-After": "0"}),
            Fault(status=503),
            Fault(seconds=0.3),
            Fault(status=502),
        ]
    )
    with telling():
        for first in range(0, 120, 30):
            log.add(events(30, tables=4, first=first))
        until(lambda: log.hurry() and set(others.numbers()) == set(range(120)))
        log.told()
    assert log.letters() == []
    assert others.in_order()


def test_what_waited_while_the_endpoint_was_gone_arrives(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any
) -> None:
    with telling():
        log.add(events(1))
        log.told()
        server.stop()
        log.add(events(29, first=1))
        assert "no answer" in log.fail(8)
        assert (log.sink()[0], log.letters()) == (29, [])
        server.start()
        log.told()
    assert others.firsts() == list(range(30))
    assert log.sink()[1:] == (0, "")


@pytest.mark.parametrize("fault", [Fault(status=500, body=b"ouch"), Fault(drop=True), Fault(status=403), Fault(504)])
@pytest.mark.parametrize("tables", [1, 5], ids=["the others follow it", "the others are of other tables"])
def test_an_event_that_never_gets_through_does_not_stop_the_others(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any, fault: Fault, tables: int
) -> None:
    server.choose = lambda request: fault if b":number:2" in request.body else None
    with telling():
        log.add(events(5, tables=tables))
        log.told()
        assert set(others.numbers()) == {0, 1, 3, 4}
        assert others.in_order()
        (reason,) = log.letters()
        assert "6 times, and another was taken" in reason
        # Sent again too early, it stays a letter, and does not stop the others either.
        log.replay()
        until(lambda: log.asked() == 0)
        log.add(events(1, first=5))
        log.told()
        assert set(others.numbers()) == {0, 1, 3, 4, 5}
        server.choose = lambda _request: None
        log.replay()
        until(lambda: log.letters() == [])
    assert set(others.numbers()) == set(range(6))


def test_two_bad_events_in_a_row_do_not_vouch_for_each_other(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any
) -> None:
    bad = (b":number:0", b":number:1", b":number:2")
    server.choose = lambda request: Fault(drop=True) if any(one in request.body for one in bad) else None
    with telling():
        log.add(events(6))
        log.told()
    assert set(others.numbers()) == {3, 4, 5}
    assert len(log.letters()) == 3


@pytest.mark.parametrize("fault", [Fault(status=422, body=b"not yet"), Fault(drop=True)], ids=["refused", "no answer"])
def test_letters_that_are_still_not_taken_do_not_stop_what_comes_after(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any, fault: Fault
) -> None:
    server.choose = lambda request: Fault(status=422, body=b"no") if b"gold.bad" in request.body else None
    with telling():
        log.add([event_of(number, "gold.bad") for number in range(25)] + events(1, first=25))
        log.told()
        assert log.letters() == ["422 no"] * 25
        server.choose = lambda request: fault if b"gold.bad" in request.body else None
        log.replay()
        log.add(events(1, first=26))
        until(lambda: log.hurry() and set(others.numbers()) == {25, 26})
        until(lambda: log.hurry() and log.asked() == 0)
    assert len(log.letters()) == 25


def test_a_wrong_token_costs_nothing(log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any) -> None:
    server.choose = lambda _request: Fault(status=401, headers={"Retry-After": "1"}, body=b"who are you")
    with telling():
        log.add(events(3))
        assert "does not let us in: 401 who are you" in log.fail(8)
    assert (log.letters(), others.taken) == ([], [])


@pytest.mark.parametrize("status", [404, 400, 403], ids=["no such address", "refuses everything", "forbids everything"])
def test_a_setting_that_is_wrong_puts_nothing_aside(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any, status: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feed, "MOST_ITEMS", 30)
    server.choose = lambda _request: Fault(status=status)
    with telling():
        log.add(events(40, tables=40))
        log.fail(9)
        assert log.letters() == []
        server.choose = lambda _request: None
        log.told()
    assert set(others.numbers()) == set(range(40))


def test_a_whole_window_it_really_refuses_does_not_stop_what_comes_after(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any, monkeypatch: Any
) -> None:
    """One emitter's events, say, which are the only ones for a while."""
    monkeypatch.setattr(feed, "MOST_ITEMS", 30)
    server.choose = lambda request: Fault(status=400) if b"gold.bad" in request.body else None
    with telling():
        log.add([event_of(number, "gold.bad") for number in range(70)])
        assert "it refuses everything" in log.fail(7)
        log.add(events(5, first=70))
        log.told()
    assert len(log.letters()) == 70
    # One of them was told early, to learn whose fault it is, and once more in its turn.
    assert set(others.numbers()) == set(range(70, 75))
    assert others.numbers()[-5:] == list(range(70, 75))


def test_everything_is_told_again_also_what_was_taken_beyond_the_position(
    log: Events, server: FaultyServer, others: EndpointOfOthers, telling: Any
) -> None:
    away = Fault(seconds=0.5, status=503, headers={"Retry-After": "300"})

    async def begin_again() -> None:
        async with await connect(log.database, "test") as connection:
            await book.begin_again(connection, "openlineage")

    with telling():
        log.add(events(1))
        log.told()
        server.choose = lambda request: away if b":number:1" in request.body else None
        log.add(events(2, tables=2, first=1))
        until(lambda: others.firsts() == [0, 2] and log.sink()[1] > 0)
        before = others.numbers()
        server.choose = lambda _request: None
        asyncio.run(begin_again())
        log.told()
    assert set(others.numbers()[len(before) :]) == {0, 1, 2}


def test_what_retention_took_while_a_sink_was_away_is_said(
    log: Events, others: EndpointOfOthers, telling: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with telling():
        log.add(events(1))
        log.told()
    log.add(events(9, first=1))
    log.connection.execute("DELETE FROM event WHERE event_id BETWEEN 2 AND 8")
    log.connection.execute("UPDATE sink SET last_success = now() - interval '200 days'")
    with caplog.at_level(logging.ERROR), telling():
        log.told()
    assert others.firsts() == [0, 8, 9]
    assert "up to 7 events it was not told are no longer kept" in caplog.text


@pytest.fixture(scope="module")
def endpoint() -> EndpointOfOthers:
    return EndpointOfOthers()


@pytest.fixture(scope="module")
def listening(endpoint: EndpointOfOthers) -> Iterator[FaultyServer]:
    with serving(endpoint) as started:
        yield started


@pytest.fixture(scope="module")
def extra(listening: FaultyServer) -> dict[str, str]:
    return {
        "LAKEHOLD_LINEAGE_OPENLINEAGE_URL": f"{listening.url}/api/v1/lineage",
        "LAKEHOLD_LINEAGE_OPENLINEAGE_TOKEN": TOKEN,
    }


@pytest.fixture
def told(standing: Any, listening: FaultyServer, endpoint: EndpointOfOthers) -> Any:
    """A service that tells the endpoint, with nothing left to tell and nobody misbehaving."""
    listening.choose = lambda _request: None
    with standing.client() as client:
        until(lambda: sink(client)["behind"] == 0)
    endpoint.taken.clear()
    return standing


def send(client: httpx.Client, bodies: list[dict[str, Any]]) -> None:
    assert client.post("/api/v1/lineage/batch", content=json.dumps(bodies)).status_code == 201


def sink(client: httpx.Client) -> dict[str, Any]:
    """Where the sink stands; it is there as soon as the service's worker is."""
    sinks: list[dict[str, Any]] = []

    def there() -> bool:
        sinks.extend(client.get("/api/v1/sinks").raise_for_status().json()["sinks"])
        return bool(sinks)

    until(there)
    return sinks[0]


def test_every_event_arrives_as_it_was_sent(told: Any, endpoint: EndpointOfOthers) -> None:
    bodies = events(60, tables=3)
    with told.client() as client:
        before = sink(client)["delivered"]
        send(client, bodies)
        until(lambda: sink(client)["behind"] == 0)
        assert set(endpoint.numbers()) == set(range(60))
        assert all(event in bodies for event in endpoint.taken)
        assert endpoint.in_order()
        metrics = client.get("/metrics").text
        assert 'lakehold_lineage_sink_lag_items{sink="openlineage"} 0' in metrics
        assert f'lakehold_lineage_sink_delivered_total{{sink="openlineage"}} {before + 60}' in metrics


def test_what_is_refused_becomes_a_letter_that_can_be_sent_again(
    told: Any, listening: FaultyServer, endpoint: EndpointOfOthers
) -> None:
    listening.choose = lambda one: Fault(status=422, body=b"not this one") if b":number:3" in one.body else None
    with told.client() as client:
        send(client, events(6))
        until(lambda: sink(client)["behind"] == 0)
        assert endpoint.firsts() == [0, 1, 2, 4, 5]
        (letter,) = client.get("/api/v1/letters").json()["letters"]
        assert letter["reason"] == "422 not this one"
        assert 'lakehold_lineage_sink_letters{sink="openlineage"} 1' in client.get("/metrics").text
        listening.choose = lambda _request: None
        answer = client.post("/api/v1/sinks/openlineage/replay", json={"letters": [letter["letter_id"]]})
        assert (answer.status_code, answer.json()) == (202, {"letters": 1})
        until(lambda: endpoint.firsts() == [0, 1, 2, 4, 5, 3])
        until(lambda: client.get("/api/v1/letters").json() == {"letters": []})


def test_of_two_services_one_tells_it_and_kill_9_of_that_one_loses_nothing(
    told: Any, listening: FaultyServer, endpoint: EndpointOfOthers, postgres: Any
) -> None:
    """What either received is told, by one of them; the other goes on when that is killed.

    The other is well also with an OpenMetadata that is named wrongly; and who is told is a real service.
    """
    second = made(postgres, "second")
    wrong = {"LAKEHOLD_LINEAGE_OPENMETADATA_URL": "no address"}
    other = replace(told, port=free_ports(1)[0], process=None, extra={**told.extra, **wrong})
    receiver = replace(told, database=second, port=free_ports(1)[0], process=None, extra={})
    other.start()
    receiver.start()
    try:
        with told.client() as client, other.client() as beside, receiver.client() as passed_to:
            endpoint.passed_to = passed_to
            for number in range(0, 40, 5):
                send(client if number % 2 else beside, events(5, first=number))
            until(lambda: sink(client)["behind"] == 0)
            assert set(endpoint.numbers()) == set(range(40))
            assert len(endpoint.taken) < 60, "both told it"
            listening.choose = lambda _request: Fault(seconds=0.01)
            send(client, events(150, tables=2, first=40))
            until(lambda: len(endpoint.taken) > 70)
            told.kill()
            until(lambda: sink(beside)["behind"] == 0)
    finally:
        endpoint.passed_to = None
        other.stop()
        receiver.stop()
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (190,)
