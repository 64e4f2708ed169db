"""Requests of sinks: what was given up is not sent again, what was answered is heard, who answers is known."""

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from faulty_http import Answer, FaultyServer, Request, serving
from lakehold.lineage.sinks.answers import FailedError
from lakehold.lineage.sinks.caller import Caller
from lakehold.lineage.sinks.model import UnavailableError
from lakehold.lineage.sinks.settings import Endpoint
from lakehold.local.tls import ensure_certificates


def calling(url: str, use: Callable[[Caller], Awaitable[None]], ca_file: str = "") -> None:
    """Use a caller; then wait until none of its threads has anything to do."""

    async def run() -> None:
        caller = Caller(Endpoint(url=url, ca_file=ca_file), {}, seconds=30, connections=2)
        try:
            await use(caller)
        finally:
            caller.close()
            await asyncio.to_thread(caller._threads.shutdown, True)

    asyncio.run(run())


def test_what_was_given_up_is_not_sent_again_behind_our_back() -> None:
    asked, answered = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        if request.path == "/slow":
            asked.set()
            answered.wait(30)
        return Answer(200)

    async def use(caller: Caller) -> None:
        assert (await caller.request("GET", "/first")).status == 200
        slow = asyncio.create_task(caller.request("POST", "/slow", b"x"))
        await asyncio.to_thread(asked.wait, 30)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow

    with serving(answer) as server:
        calling(server.url, use)
        answered.set()
        assert [request.path for request in server.requests] == ["/first", "/slow"]


def test_a_connection_the_server_closed_meanwhile_costs_nothing() -> None:
    async def use(caller: Caller) -> None:
        assert (await caller.request("GET", "/1")).status == 200
        server.stop()
        server.start()
        assert (await caller.request("GET", "/2")).status == 200

    with serving(lambda _request: Answer(200)) as server:
        calling(server.url, use)
        assert [request.path for request in server.requests] == ["/1", "/2"]


def test_an_answer_is_heard_that_comes_while_we_still_write() -> None:
    """A proxy with a limit for bodies says 413 and hangs up without reading on."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async def use(caller: Caller) -> None:
        assert (await caller.request("POST", "/", b"x" * 32_000_000)).status == 413

    with listening:
        thread = threading.Thread(target=serve)
        thread.start()
        calling(f"http://127.0.0.1:{listening.getsockname()[1]}", use)
        thread.join()


def test_a_certificate_of_the_authority_that_was_named_is_trusted_and_no_other(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, "127.0.0.1", dt.datetime.now(dt.UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")

    async def trusted(caller: Caller) -> None:
        assert (await caller.request("GET", "/")).status == 200

    async def stranger(caller: Caller) -> None:
        with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED") as told:
            await caller.request("GET", "/")
        assert not isinstance(told.value, FailedError), "it is no request's fault"

    server = FaultyServer(lambda _request: Answer(200))
    server.start()
    assert server._server is not None
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    try:
        calling(server.url.replace("http:", "https:"), trusted, str(tmp_path / "ca.pem"))
        calling(server.url.replace("http:", "https:"), stranger)
    finally:
        server.stop()
