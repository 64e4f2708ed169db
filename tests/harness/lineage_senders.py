"""Senders of lineage events that remember what was acknowledged, and what has to be there then."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from typing import Protocol

import httpx
import psycopg


def event_of(run: uuid.UUID) -> bytes:
    """Return the one event of a run that is complete."""
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


class Service(Protocol):
    """What events are sent to."""

    def client(self) -> httpx.Client:
        """Return a client for one thread."""


class Senders:
    """Threads that send events as they are answered, try again what was not, and remember what was."""

    def __init__(self, service: Service, count: int) -> None:
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
        """Let each end what it sends."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def check_all_there(database: str, acknowledged: list[uuid.UUID]) -> int:
    """What was acknowledged is in the journal, once; return how many events are."""
    with psycopg.connect(database) as connection:
        stored = [row[0] for row in connection.execute("SELECT run_id FROM event")]
    assert len(stored) == len(set(stored)), "an event is there twice"
    assert set(acknowledged) <= set(stored), "an acknowledged event is missing"
    return len(stored)


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
