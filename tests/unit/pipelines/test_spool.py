"""Events of a Spark application reach the service by way of a file, also when the service was away."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lakehold.config.platform import LineageAddress
from lakehold.pipelines import spool
from lakehold.pipelines.spool import Spool


class Service(http.server.ThreadingHTTPServer):
    """Takes batches, or refuses or hangs as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.taken: list[Any] = []
        self.status = 201
        self.hanging = threading.Event()
        self.hanging.set()

    @property
    def address(self) -> LineageAddress:
        return LineageAddress(url=f"http://127.0.0.1:{self.server_port}", namespace="lakehold", token="secret")


class Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.hanging.wait(10)
        if self.server.status == 201:
            self.server.taken += events
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hanging.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(spool, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(spool, "_TIMEOUT_SECONDS", 0.2)


def write(path: Path, *events: int, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(json.dumps({"n": event}) for event in events) + end)


def numbers(service: Service) -> list[int]:
    return [event["n"] for event in service.taken]


def eventually(check: Any) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_arrive_while_the_application_runs_each_once(tmp_path: Path, service: Service) -> None:
    with Spool(tmp_path, "one", service.address, pytest.fail) as one:
        assert one.conf()["spark.openlineage.transport.location"] == str(tmp_path / "one.jsonl")
        write(one.path, 1, 2)
        eventually(lambda: numbers(service) == [1, 2])
        # The rest of a line that is being written comes with its end.
        write(one.path, 3, end="")
        time.sleep(0.05)
        write(one.path, end="\n")
    assert numbers(service) == [1, 2, 3]
    assert not list(tmp_path.iterdir())


def test_an_application_without_events_leaves_nothing(tmp_path: Path, service: Service) -> None:
    with Spool(tmp_path, "one", service.address, pytest.fail):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["refusing", "hanging", "down"])
def test_what_is_not_taken_is_kept_and_taken_later(tmp_path: Path, service: Service, how: str) -> None:
    said: list[str] = []
    address = service.address
    service.status = 503 if how == "refusing" else 201
    if how == "hanging":
        service.hanging.clear()
    if how == "down":
        address = LineageAddress(url="http://127.0.0.1:1", namespace="lakehold", token="secret")
    with Spool(tmp_path, "one", address, said.append) as one:
        write(one.path, 1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["one.left.jsonl"]
    service.status = 201
    service.hanging.set()
    eventually(lambda: how != "hanging" or service.taken)
    service.taken.clear()
    with Spool(tmp_path, "two", service.address, pytest.fail) as two:
        write(two.path, 3)
        eventually(lambda: set(numbers(service)) == {1, 2, 3})
        eventually(lambda: not (tmp_path / "one.left.jsonl").exists())
    assert not list(tmp_path.iterdir())


def test_what_the_service_found_malformed_is_not_sent_again(tmp_path: Path, service: Service) -> None:
    service.status = 400
    with Spool(tmp_path, "one", service.address, pytest.fail) as one:
        write(one.path, 1)
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_killed_task_is_taken_later_that_of_a_living_one_is_not(tmp_path: Path, service: Service) -> None:
    for name in ("killed", "alive", "forgotten"):
        write(tmp_path / f"{name}.jsonl", len(name))
    for name, age in (("killed", 7200), ("forgotten", 40 * 24 * 3600)):
        os.utime(tmp_path / f"{name}.jsonl", (time.time() - age, time.time() - age))
    with Spool(tmp_path, "one", service.address, pytest.fail):
        eventually(lambda: not (tmp_path / "killed.jsonl").exists())
    assert numbers(service) == [len("killed")]
    assert [path.name for path in tmp_path.iterdir()] == ["alive.jsonl"]
