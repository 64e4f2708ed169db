"""Events of a Spark application reach the service by way of a file, also when the service was away."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lakehold.config import spool
from lakehold.config.platform import LineageAddress
from lakehold.config.posting import leave
from lakehold.config.spool import Spool, post_left


class Service(http.server.ThreadingHTTPServer):
    """Takes batches, or refuses or hangs as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.taken: list[Any] = []
        self.posts = 0
        self.status = 201
        self.refuses: dict[int, int] = {}
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
        self.server.posts += 1
        status = next((self.server.refuses[one["n"]] for one in events if one["n"] in self.server.refuses), 201)
        if status == self.server.status == 201:
            self.server.taken += events
        self.send_response(self.server.status if status == 201 else status)
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
    monkeypatch.setattr(spool, "_END_SECONDS", 5)


def write(path: Path, *events: int, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(json.dumps({"n": event}) for event in events) + end)


def nobody() -> LineageAddress:
    """Return an address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return LineageAddress(url=f"http://127.0.0.1:{server.getsockname()[1]}", namespace="lakehold", token="secret")


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
def test_what_is_not_taken_is_kept_and_taken_later(
    tmp_path: Path, service: Service, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    address = service.address
    service.status = 503 if how == "refusing" else 201
    if how == "hanging":
        service.hanging.clear()
        monkeypatch.setattr(spool, "_END_SECONDS", 0.2)
    if how == "down":
        address = nobody()
    with Spool(tmp_path, "one", address, said.append) as one:
        write(one.path, 1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["one.left.jsonl"]
    monkeypatch.setattr(spool, "_END_SECONDS", 5)
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
    said: list[str] = []
    with Spool(tmp_path, "one", service.address, said.append):
        eventually(lambda: numbers(service) == [len("killed")])
    assert said == ["nobody took forgotten.jsonl for 30 days; it is removed"]
    assert [path.name for path in tmp_path.iterdir()] == ["alive.jsonl"]


def test_a_file_that_was_taken_from_a_task_that_lives_begins_again(tmp_path: Path, service: Service) -> None:
    with Spool(tmp_path, "one", service.address, pytest.fail) as one:
        write(one.path, 1, 2, 3)
        eventually(lambda: numbers(service) == [1, 2, 3])
        one.path.unlink()
        write(one.path, 4)
    assert numbers(service) == [1, 2, 3, 4]
    assert not list(tmp_path.iterdir())


def test_a_task_that_lives_says_so_however_long_its_application_is_silent(tmp_path: Path, service: Service) -> None:
    with Spool(tmp_path, "one", service.address, pytest.fail) as one:
        write(one.path, 1)
        os.utime(one.path, (0, 0))
        eventually(lambda: time.time() - one.path.stat().st_mtime < 3600)


def test_a_file_taken_from_a_task_keeps_what_is_written_meanwhile(tmp_path: Path, service: Service) -> None:
    alive = tmp_path / "alive.jsonl"
    write(alive, 1)
    os.utime(alive, (time.time() - 7200, time.time() - 7200))
    service.status = 503
    assert post_left(tmp_path, service.address, pytest.fail)
    write(alive, 2)
    service.status = 201
    assert post_left(tmp_path, service.address, pytest.fail) == ""
    assert numbers(service) == [1]
    assert alive.read_text() == '{"n": 2}\n'


def test_no_folder_and_no_file_fail_no_job(tmp_path: Path, service: Service) -> None:
    said: list[str] = []
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with Spool(in_the_way / "lineage", "one", service.address, said.append):
        pass
    assert "no lineage of this job" in said[0]


@pytest.mark.parametrize("status", [400, 413])
def test_an_event_that_is_refused_keeps_none_beside_it_from_being_posted(
    tmp_path: Path, service: Service, status: int
) -> None:
    said: list[str] = []
    service.refuses = {3: status}
    with Spool(tmp_path, "one", service.address, said.append) as one:
        write(one.path, *range(6))
    assert numbers(service) == [0, 1, 2, 4, 5]
    assert not list(tmp_path.iterdir())
    assert len(said) == (status == 413)


def test_a_file_that_is_not_taken_keeps_none_after_it_from_being_posted(tmp_path: Path, service: Service) -> None:
    service.refuses = {1: 503}
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.left.jsonl"
        write(path, number)
        os.utime(path, (time.time() - 10 + number, time.time() - 10 + number))
    assert post_left(tmp_path, service.address, pytest.fail) == "status 503"
    assert numbers(service) == [2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["1.left.jsonl"]


def test_with_nobody_there_only_one_file_is_tried(tmp_path: Path, service: Service) -> None:
    for number in (1, 2, 3):
        write(tmp_path / f"{number}.left.jsonl", number)
    assert post_left(tmp_path, nobody(), pytest.fail)
    assert post_left(tmp_path, service.address, pytest.fail, deadline=time.monotonic()) == "there was no time"
    assert len(list(tmp_path.iterdir())) == 3
    assert service.posts == 0


def test_what_takes_longer_than_a_task_may_is_left(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_END_SECONDS", 0)
    monkeypatch.setattr(spool, "_LOOK_SECONDS", 3600)
    said: list[str] = []
    with Spool(tmp_path, "one", service.address, said.append) as one:
        write(one.path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["one.left.jsonl"]
    assert "they are kept" in said[0]
    assert service.posts == 0


def test_what_the_jobs_own_program_has_left_is_posted_with_the_end(tmp_path: Path, service: Service) -> None:
    with Spool(tmp_path, "one", service.address, pytest.fail) as one:
        write(one.path, 1)
        assert leave(tmp_path, [{"n": 2}]) == ""
    assert sorted(numbers(service)) == [1, 2]
    assert not list(tmp_path.iterdir())
