"""The sink for OpenLineage endpoints: whatever the endpoint does, it is told every event, in order."""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from faulty_http import Answer, Fault, FaultyServer, Request, serving
from free_ports import free_ports
from lakehold.lineage.migrate import ensure_schema

pytestmark = pytest.mark.component

TOKEN = "what-the-endpoint-wants"


def event_of(number: int, dataset: str, run: uuid.UUID | None = None) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2013-01-01T05:00:00.{number:06d}Z",
        "run": {"runId": str(run or uuid.uuid4())},
        "job": {"namespace": "lakehold", "name": f"writes {dataset}"},
        "outputs": [{"namespace": "lakehouse", "name": dataset}],
        "producer": f"urn:number:{number}",
        "schemaURL": "urn:schema",
    }


class Endpoint:
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

    def by_dataset(self) -> dict[str, list[int]]:
        found = defaultdict(list)
        for event, number in zip(self.taken, self.numbers(), strict=True):
            found[event["outputs"][0]["name"]].append(number)
        return found


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture(scope="module")
def server(endpoint: Endpoint) -> Iterator[FaultyServer]:
    with serving(endpoint) as started:
        yield started


@pytest.fixture(scope="module")
def extra(server: FaultyServer) -> dict[str, str]:
    return {
        "LAKEHOLD_LINEAGE_OPENLINEAGE_URL": f"{server.url}/api/v1/lineage",
        "LAKEHOLD_LINEAGE_OPENLINEAGE_TOKEN": TOKEN,
    }


@pytest.fixture
def told(standing: Any, server: FaultyServer, endpoint: Endpoint) -> Any:
    """A service that tells the endpoint, with nothing left to tell and nobody misbehaving."""
    server.faults.clear()
    server.choose = lambda _request: None
    with standing.client() as client:
        client.post("/api/v1/sinks/openlineage/replay", json={})
        until(lambda: sink(client)["behind"] == 0 and sink(client)["letters"] == 0)
    endpoint.taken.clear()
    return standing


def send(client: httpx.Client, events: list[dict[str, Any]]) -> None:
    assert client.post("/api/v1/lineage/batch", content=json.dumps(events)).status_code == 201


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def hurried(client: httpx.Client) -> bool:
    """Have the next attempt made now: how long it waits is not what these tests are about."""
    return client.post("/api/v1/sinks/openlineage/replay", json={}).status_code == 202


def sink(client: httpx.Client) -> dict[str, Any]:
    """Where the sink stands; it is there as soon as the service's worker is."""
    sinks: list[dict[str, Any]] = []

    def there() -> bool:
        sinks.extend(client.get("/api/v1/sinks").raise_for_status().json()["sinks"])
        return bool(sinks)

    until(there)
    return sinks[0]


def test_every_event_arrives_as_it_was_sent(told: Any, endpoint: Endpoint) -> None:
    events = [event_of(number, f"gold.t{number % 3}") for number in range(60)]
    with told.client() as client:
        before = sink(client)["delivered"]
        send(client, events)
        until(lambda: sink(client)["behind"] == 0)
        assert sorted(endpoint.numbers()) == list(range(60))
        assert all(event in events for event in endpoint.taken)
        assert all(numbers == sorted(numbers) for numbers in endpoint.by_dataset().values())
        metrics = client.get("/metrics").text
        assert 'lakehold_lineage_sink_lag_items{sink="openlineage"} 0' in metrics
        assert f'lakehold_lineage_sink_delivered_total{{sink="openlineage"}} {before + 60}' in metrics


def test_nothing_is_lost_and_order_is_kept_whatever_goes_wrong(
    told: Any, server: FaultyServer, endpoint: Endpoint
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
    with told.client() as client:
        for first in range(0, 200, 50):
            send(client, [event_of(number, f"gold.t{number % 4}") for number in range(first, first + 50)])
        until(lambda: set(endpoint.numbers()) == set(range(200)))
        until(lambda: sink(client)["behind"] == 0)
        assert client.get("/api/v1/letters").json() == {"letters": []}
    for numbers in endpoint.by_dataset().values():
        firsts = list(dict.fromkeys(numbers))
        assert firsts == sorted(firsts), "an event of a dataset overtook another"


def test_what_waited_while_the_endpoint_was_gone_arrives(told: Any, server: FaultyServer, endpoint: Endpoint) -> None:
    with told.client() as client:
        send(client, [event_of(0, "gold.t")])
        until(lambda: endpoint.numbers() == [0])
        server.stop()
        send(client, [event_of(number, "gold.t") for number in range(1, 30)])
        until(lambda: sink(client)["attempts"] > 0)
        assert sink(client)["behind"] == 29
        assert "no answer" in sink(client)["last_error"]
        server.start()
        until(lambda: endpoint.numbers() == list(range(30)))
        until(lambda: sink(client)["attempts"] == 0)


def test_what_is_refused_becomes_a_letter_that_can_be_sent_again(
    told: Any, server: FaultyServer, endpoint: Endpoint
) -> None:
    server.choose = lambda request: Fault(status=422, body=b"not this one") if b":number:3" in request.body else None
    with told.client() as client:
        send(client, [event_of(number, "gold.t") for number in range(6)])
        until(lambda: sink(client)["behind"] == 0)
        assert endpoint.numbers() == [0, 1, 2, 4, 5]
        (letter,) = client.get("/api/v1/letters").json()["letters"]
        assert letter["reason"] == "422 not this one"
        assert 'lakehold_lineage_sink_letters{sink="openlineage"} 1' in client.get("/metrics").text
        server.choose = lambda _request: None
        answer = client.post("/api/v1/sinks/openlineage/replay", json={"letters": [letter["letter_id"]]})
        assert (answer.status_code, answer.json()) == (202, {"letters": 1})
        until(lambda: endpoint.numbers() == [0, 1, 2, 4, 5, 3])
        until(lambda: client.get("/api/v1/letters").json() == {"letters": []})


def test_an_event_the_endpoint_always_breaks_over_does_not_stop_the_others(
    told: Any, server: FaultyServer, endpoint: Endpoint
) -> None:
    server.choose = lambda request: Fault(status=500, body=b"ouch") if b":number:2" in request.body else None
    with told.client() as client:
        send(client, [event_of(number, "gold.t") for number in range(5)])
        until(lambda: hurried(client) and endpoint.numbers() == [0, 1, 3, 4])
        until(lambda: sink(client)["behind"] == 0)
        (letter,) = client.get("/api/v1/letters").json()["letters"]
        assert "500 ouch" in letter["reason"]
        # Sent again too early, it stays a letter, and does not stop the others either.
        assert hurried(client)
        until(lambda: client.get("/api/v1/letters").json()["letters"][0]["asked_at"] is None)
        send(client, [event_of(5, "gold.t")])
        until(lambda: endpoint.numbers() == [0, 1, 3, 4, 5])


def test_a_wrong_token_costs_nothing(told: Any, server: FaultyServer, endpoint: Endpoint) -> None:
    server.choose = lambda _request: Fault(status=401, headers={"Retry-After": "1"}, body=b"who are you")
    with told.client() as client:
        send(client, [event_of(0, "gold.t")])
        until(lambda: sink(client)["attempts"] > 0)
        assert "does not let us in: 401 who are you" in sink(client)["last_error"]
        assert sink(client)["letters"] == 0
        assert endpoint.taken == []


def test_kill_9_loses_nothing(told: Any, server: FaultyServer, endpoint: Endpoint) -> None:
    server.choose = lambda _request: Fault(seconds=0.01)
    with told.client() as client:
        send(client, [event_of(number, f"gold.t{number % 2}") for number in range(300)])
    until(lambda: len(endpoint.taken) > 60)
    told.kill()
    told.start()
    with told.client() as client:
        until(lambda: sink(client)["behind"] == 0)
    assert set(endpoint.numbers()) == set(range(300))


def test_two_services_tell_it_once(told: Any, endpoint: Endpoint) -> None:
    other = replace(told, port=free_ports(1)[0], process=None)
    other.start()
    try:
        with told.client() as client, other.client() as second:
            for number in range(40):
                send(client if number % 2 else second, [event_of(number, "gold.t")])
            until(lambda: sink(client)["behind"] == 0)
    finally:
        other.stop()
    assert sorted(endpoint.numbers()) == list(range(40))


def test_a_real_service_as_the_endpoint(told: Any, endpoint: Endpoint, postgres: Any) -> None:
    """Told by ours, our own service of another installation has every event."""
    with psycopg.connect(postgres.database, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS second WITH (FORCE)")
        connection.execute("CREATE DATABASE second")
    second = postgres.database.replace("dbname=lineage", "dbname=second")
    ensure_schema(second)
    receiver = replace(told, database=second, port=free_ports(1)[0], process=None, extra={})
    receiver.start()
    with receiver.client() as client:
        endpoint.passed_to = client
        try:
            with told.client() as sender:
                send(sender, [event_of(number, "gold.t") for number in range(50)])
                until(lambda: sink(sender)["behind"] == 0)
        finally:
            endpoint.passed_to = None
            receiver.stop()
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (50,)


@pytest.mark.parametrize("status", [404, 400], ids=["no such address", "refuses everything"])
def test_a_setting_that_is_wrong_puts_nothing_aside(
    told: Any, server: FaultyServer, endpoint: Endpoint, status: int
) -> None:
    server.choose = lambda _request: Fault(status=status)
    with told.client() as client:
        send(client, [event_of(number, f"gold.t{number}") for number in range(40)])
        until(lambda: sink(client)["attempts"] > 0)
        assert sink(client)["letters"] == 0
        server.choose = lambda _request: None
        until(lambda: hurried(client) and sink(client)["behind"] == 0)
    assert sorted(endpoint.numbers()) == list(range(40))
