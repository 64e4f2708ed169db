"""What was acknowledged is there, once: whoever is killed, and whenever."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from lineage_senders import Senders, check_all_there, check_graph, event_of

pytestmark = pytest.mark.component

PATIENCE = httpx.Timeout(3)
"""An emitter waits less than a second by the service's own limits; a busy machine takes some more."""


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
