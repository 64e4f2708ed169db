"""Events are posted within a time that is all there is, or left for others."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lakehold.config import spool
from lakehold.config.platform import LineageAddress
from lakehold.config.posting import ANSWER_SECONDS, LEFT, PATIENCE_SECONDS, leave, post
from lakehold.quality import assertions


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[LineageAddress]:
    """Answer one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield LineageAddress(url=f"http://127.0.0.1:{server.getsockname()[1]}", namespace="", token="secret")
        thread.join(30)


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for() -> None:
    gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 ")
        for _ in range(100):
            if gone.wait(0.05):
                return
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with serving(drip) as address:
        answer = post(address, [b"{}"], 0.3)
        gone.set()
    assert (answer.status, answer.why) == (0, "timed out")


def test_what_is_no_answer_raises_nothing() -> None:
    with serving(lambda connection: connection.sendall(b"nonsense\r\n\r\n")) as address:
        answer = post(address, [b"{}"], 30)
    assert answer.status == 0
    assert answer.why


@pytest.mark.parametrize(
    ("status", "refused"),
    [(201, False), (207, False), (400, True), (401, False), (404, False), (413, True), (503, False)],
)
def test_an_answer_says_whether_to_try_again(status: int, refused: bool) -> None:
    said = f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode()
    with serving(lambda connection: connection.sendall(said)) as address:
        answer = post(address, [b"{}"], 30)
    assert (answer.status, answer.refused, answer.why == "") == (status, refused, status < 300)


def test_what_is_left_is_whole_lines_under_a_name_of_its_own(tmp_path: Path) -> None:
    place = tmp_path / "lineage"
    assert leave(place, [{"a": "1\n2"}, {"a": 3}]) == leave(place, [{"a": 4}]) == ""
    files = sorted(place.iterdir())
    assert len(files) == 2
    assert all(file.name.endswith(LEFT) for file in files)
    found = [json.loads(line)["a"] for file in files for line in file.read_text().splitlines()]
    assert sorted(found, key=str) == ["1\n2", 3, 4]


def test_no_task_waits_longer_than_two_seconds_in_all() -> None:
    assert ANSWER_SECONDS < PATIENCE_SECONDS
    assert 2 * PATIENCE_SECONDS + max(spool._END_SECONDS, assertions._SECONDS) < 2


def test_what_cannot_be_left_whole_is_not_left_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(draft: Path, _: Path) -> None:
        assert draft.exists()
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert leave(tmp_path, [{}]) == "no space left on device"
    assert not list(tmp_path.iterdir())
