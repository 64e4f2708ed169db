"""A registry on loopback: files over real HTTP, with ranges, and with the ways a network fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Registry:
    """What the server has and how it misbehaves; ``requests`` is what was asked of it, ranges included."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    address: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers end early, one entry an answer."""
    statuses: list[int] = field(default_factory=list)
    """What the next answers are instead."""
    ranges: bool = True
    gate: threading.Event | None = None
    """The body's second half waits for it."""

    def downloads(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(1 for asked, _range in self.requests if asked == path)


@pytest.fixture
def registry() -> Iterator[Registry]:
    state = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.requests.append((self.path, wanted))
            status = state.statuses.pop(0) if state.statuses else 200
            body = state.files.get(self.path, b"")
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if self.path not in state.files and status == 200:
                status = 404
            if status == 200 and begin and begin >= len(body):
                status = 416
            if status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.end_headers()
            self._send(body[begin:])

        def _send(self, body: bytes) -> None:
            if state.cut_after:
                self.wfile.write(body[: state.cut_after.pop(0)])
                self.close_connection = True
                self.connection.close()
                return
            half = len(body) // 2
            self.wfile.write(body[:half])
            if state.gate is not None:
                self.wfile.flush()
                state.gate.wait(30)
            self.wfile.write(body[half:])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
