"""A node of Trino is asked to leave, and waited for."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lakehold.cluster import drain


class Node(BaseHTTPRequestHandler):
    """It ends once it has been asked to, and has answered one more question."""

    asked: str = ""

    def do_PUT(self) -> None:
        Node.asked = f"{self.path} {self.rfile.read(int(self.headers['Content-Length'])).decode()}"
        self._answer()

    def do_GET(self) -> None:
        self._answer()
        self.server.socket.close()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_it_returns_when_the_node_is_gone() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        assert drain.main(f"http://127.0.0.1:{server.server_address[1]}", "/no/such/ca") == 0
    finally:
        server.shutdown()
    assert Node.asked == '/v1/info/state "SHUTTING_DOWN"'


def test_a_node_that_cannot_be_asked_is_not_waited_for() -> None:
    assert drain.main("http://127.0.0.1:1", "/no/such/ca") == 1
