"""Stands where the lineage service should and takes what Trino says of its queries; can be told not to answer."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lakehold.lineage.trino import run_event


class Ear(http.server.ThreadingHTTPServer):
    """Keeps every body; ``answering`` is cleared to let all requests wait, ``status`` is what they are answered."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, token: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.token = token
        self.bodies: list[bytes] = []
        self.answering = threading.Event()
        self.answering.set()
        self.status = 201

    def told(self, sql: str) -> list[dict[str, Any]]:
        """Return the OpenLineage events of the statements that contain ``sql``, as often as they were posted."""
        events = [json.loads(event) for body in list(self.bodies) if (event := run_event(body, "lakehold"))]
        return [event for event in events if sql in event["job"]["facets"]["sql"]["query"]]

    def hears(self, sql: str, kind: str = "COMPLETE", times: int = 1) -> dict[str, Any]:
        """Wait for an event of a statement that contains ``sql``, posted so often, and return it."""
        deadline = time.monotonic() + 60
        while True:
            found = [event for event in self.told(sql) if event["eventType"] == kind]
            if len(found) >= times:
                return found[-1]
            assert time.monotonic() < deadline, f"Trino did not tell of {sql!r} ({len(self.bodies)} bodies came)"
            time.sleep(0.05)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        assert self.path == "/api/v1/trino?namespace=lakehold"
        assert self.headers["Authorization"] == f"Bearer {self.server.token}"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.answering.wait(120)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@contextmanager
def listening(site: Any) -> Iterator[Ear]:
    """Listen on the port of a site's lineage service."""
    ear = Ear(site.ports["lineage"], site.secrets["lineage.token"])
    thread = threading.Thread(target=ear.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield ear
    finally:
        ear.answering.set()
        ear.shutdown()
        thread.join()
        ear.server_close()
