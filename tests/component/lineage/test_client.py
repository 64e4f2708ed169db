"""The client behind `lakehold lineage`, against the service."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from lakehold.errors import DataError, NotRunningError
from lakehold.lineage.client import ask

pytestmark = pytest.mark.component


@pytest.fixture
def token(client: Any) -> str:
    return str(client.headers["Authorization"]).removeprefix("Bearer ")


@pytest.mark.parametrize("name", ["runs", "jobs", "datasets", "events", "rejected", "stages"])
def test_every_list(service: Any, token: str, name: str) -> None:
    assert isinstance(ask(service.url, token, name, {"limit": 5}), list)


def test_a_filter_without_meaning_is_refused_with_the_reason(service: Any, token: str) -> None:
    with pytest.raises(DataError) as problem:
        ask(service.url, token, "runs", {"parent": "seven"})
    assert "invalid input syntax for type uuid" in problem.value.why


def test_another_installation_on_the_port_is_told_apart(service: Any) -> None:
    with pytest.raises(NotRunningError, match="does not take this installation's token"):
        ask(service.url, "another-token-0123456789", "runs", {})


def test_what_does_not_run_is_said_to_not_run(service: Any, token: str) -> None:
    service.stop()
    with pytest.raises(NotRunningError, match="does not answer at"):
        ask(service.url, token, "runs", {})


@pytest.fixture
def stranger() -> Iterator[str]:
    """Something else that listens where the service should."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b"<html>not here</html>")

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stranger_on_the_port_is_no_crash(stranger: str) -> None:
    with pytest.raises(DataError) as problem:
        ask(stranger, "a-token-0123456789", "runs", {})
    assert problem.value.why == "status 404"
