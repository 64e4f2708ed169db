"""What was acknowledged is there, once: whoever is killed, and whenever."""

import json
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.component

PATIENCE = httpx.Timeout(3)
"""An emitter waits less than a second by the service's own limits; a busy machine takes some more."""


def event_of(run: uuid.UUID) -> bytes:
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2013-01-01T05:00:00Z",
        "run": {"runId": str(run)},
        "job": {"namespace": "lakehold", "name": f"job-{run.int % 7}"},
        "outputs": [{"namespace": "lakehouse", "name": f"gold.t{run.int % 5}"}],
        "producer": "urn:test",
        "schemaURL": "urn:schema",
    }
    return json.dumps(event).encode()


class Senders:
    """Threads that send events as they are answered, try again what was not, and remember what was."""

    def __init__(self, service: Any, count: int) -> None:
        self.acknowledged: list[uuid.UUID] = []
        self.refusals: list[int] = []
        self._stop = threading.Event()
        self._service = service
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - only names for runs
        with self._service.client() as client:
            while not self._stop.is_set():
                run = uuid.UUID(int=chance.getrandbits(128), version=4)
                while not self._sent(client, run) and not self._stop.is_set():
                    time.sleep(0.02)
                # The graph behind them, which makes far fewer, has to come to an end.
                time.sleep(0.01)

    def _sent(self, client: httpx.Client, run: uuid.UUID) -> bool:
        try:
            status = client.post("/api/v1/lineage", content=event_of(run)).status_code
        except httpx.TransportError:
            return False
        if status != 201:
            self.refusals.append(status)
            return False
        self.acknowledged.append(run)
        return True

    def progress(self, count: int = 30) -> None:
        """Wait until so many more are acknowledged: a slow machine gets the time it needs."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + 60
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} acknowledged, {wanted} wanted"
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def check_all_there(database: str, acknowledged: list[uuid.UUID]) -> None:
    with psycopg.connect(database) as connection:
        stored = [row[0] for row in connection.execute("SELECT run_id FROM event")]
    assert len(stored) == len(set(stored)), "an event is there twice"
    assert set(acknowledged) <= set(stored), "an acknowledged event is missing"


def check_graph(client: httpx.Client, database: str) -> None:
    """Wait for the graph, for as long as it gets on, then compare it with what the journal says."""
    left = (
        "SELECT sum((SELECT max(event_id) FROM event) - position), (SELECT count(*) FROM due),"
        " (SELECT count(*) FROM due_pair) FROM stage WHERE name IN ('graph', 'graph2')"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        before, deadline = None, 0.0
        while (now := connection.execute(left).fetchone()) != (0, 0, 0):
            if now != before:
                before, deadline = now, time.monotonic() + 60
            assert time.monotonic() < deadline, f"the graph does not get on: {now}"
            time.sleep(0.1)
        wrong = connection.execute(
            "SELECT count(*) FROM run FULL JOIN (SELECT run_id, count(*) AS n FROM event GROUP BY 1) e USING (run_id)"
            " WHERE run.events IS DISTINCT FROM e.n"
        ).fetchone()
        left_out = connection.execute("SELECT count(*) FROM run WHERE process_id IS NULL").fetchone()
    assert (wrong, left_out) == ((0,), (0,))
    assert client.get("/health").status_code == 200


def test_kill_9_of_the_service(service: Any, database: str) -> None:
    senders = Senders(service, 8)
    try:
        for _ in range(4):
            senders.progress()
            service.kill()
            service.start()
        senders.progress()
    finally:
        senders.stop()
    check_all_there(database, senders.acknowledged)
    with service.client() as client:
        check_graph(client, database)


def test_kill_9_of_two_services_side_by_side(new_service: Callable[[], Any], database: str) -> None:
    services = [new_service(), new_service()]
    for service in services:
        service.start()
    senders = [Senders(service, 4) for service in services]
    try:
        for turn in range(4):
            for group in senders:
                group.progress()
            services[turn % 2].kill()
            services[turn % 2].start()
    finally:
        for group in senders:
            group.stop()
    check_all_there(database, [run for group in senders for run in group.acknowledged])
    with services[0].client() as client:
        check_graph(client, database)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_postgresql_goes_and_comes_back(service: Any, postgres: Any, database: str, how: signal.Signals) -> None:
    senders = Senders(service, 8)
    try:
        senders.progress()
        postgres.stop(how)
        with service.client() as client:
            client.timeout = PATIENCE
            answer = client.post("/api/v1/lineage", content=event_of(uuid.uuid4()))
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert client.post("/api/v1/lineage", content=b"not an event").status_code == 503
            assert client.get("/health").status_code == 503
            assert client.get("/api/v1/runs").status_code == 503
        postgres.start()
        senders.progress()
    finally:
        senders.stop()
    assert set(senders.refusals) == {503}
    check_all_there(database, senders.acknowledged)
    with service.client() as client:
        check_graph(client, database)


def test_a_restart_of_postgresql_while_nobody_writes_costs_no_event(service: Any, postgres: Any, database: str) -> None:
    run = uuid.uuid4()
    with service.client() as client:
        assert client.post("/api/v1/lineage", content=event_of(uuid.uuid4())).status_code == 201
        postgres.stop()
        postgres.start()
        assert client.post("/api/v1/lineage", content=event_of(run)).status_code == 201
    check_all_there(database, [run])


def test_a_hanging_postgresql_is_answered_for_in_time(service: Any, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        pids = [row[0] for row in connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'lakehold-lineage-journal'"
        )]  # fmt: skip
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    run = uuid.uuid4()
    try:
        with service.client() as client:
            client.timeout = PATIENCE
            answers = [client.post("/api/v1/lineage", content=event_of(run)) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [503, 503, 503]
            # Once it is known to hang, nobody waits.
            assert "has not finished a commit" in answers[2].text
            assert client.get("/health").status_code == 503
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    with service.client() as client:
        while client.post("/api/v1/lineage", content=event_of(run)).status_code != 201:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    check_all_there(database, [run])


def test_a_polite_end_answers_everyone(service: Any, database: str) -> None:
    senders = Senders(service, 8)
    try:
        senders.progress()
        assert service.stop() in {0, -signal.SIGTERM}
    finally:
        senders.stop()
    check_all_there(database, senders.acknowledged)


def test_a_service_started_before_postgresql_waits_for_it(new_service: Callable[[], Any], postgres: Any) -> None:
    postgres.stop()
    service = new_service()
    service.start(healthy=False)
    with service.client() as client:
        assert client.get("/health").status_code == 503
        postgres.start()
        deadline = time.monotonic() + 10
        while client.get("/health").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.post("/api/v1/lineage", content=event_of(uuid.uuid4())).status_code == 201


def test_hundreds_at_the_same_time(service: Any, database: str) -> None:
    runs = [uuid.uuid4() for _ in range(600)]
    events = [*runs, *runs]

    def send(client: httpx.Client, run: uuid.UUID) -> int:
        """Send until it is taken: on a busy machine some are told that it took too long."""
        for _ in range(20):
            status = client.post("/api/v1/lineage", content=event_of(run)).status_code
            if status != 503:
                return status
        return 503

    def send_all(share: list[uuid.UUID]) -> set[int]:
        """With a client of its own: httpx may close a connection that another thread was just given."""
        with service.client() as client:
            client.timeout = httpx.Timeout(20)
            return {send(client, run) for run in share}

    with ThreadPoolExecutor(64) as pool:
        statuses = set().union(*pool.map(send_all, (events[start::64] for start in range(64))))
    assert statuses == {201}
    check_all_there(database, runs)
