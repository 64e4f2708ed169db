"""HTTP for sinks: requests to one server over a few connections that stay open.

The standard library's client in threads, because it takes a fifteenth of the processor time an asynchronous client took
for the same request, and what sinks use, emitters' answers wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from lakehold.lineage.sinks.answers import Answer, FailedError
from lakehold.lineage.sinks.model import UnavailableError
from lakehold.lineage.sinks.settings import Endpoint

_MOST_BYTES = 64 * 1024 * 1024
"""Of an answer."""
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class _UnreachedError(OSError):
    """There is no connection to the server."""


@dataclass(slots=True)
class _Line:
    """A connection, and whether whoever asked by it still waits."""

    http: http.client.HTTPConnection
    given_up: bool = False

    def cut(self) -> None:
        """Give up, and end what a thread may be waiting for; it must not ask again by itself."""
        self.given_up = True
        if self.http.sock is not None:
            with contextlib.suppress(OSError):
                self.http.sock.shutdown(socket.SHUT_RDWR)
        self.http.close()


class Caller:
    """Requests to one server; no proxy, no redirects, each within ``seconds``."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], *, seconds: float, connections: int) -> None:
        parts = urlsplit(endpoint.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._tls = ssl.create_default_context(cafile=endpoint.ca_file or None) if parts.scheme == "https" else None
        self._base = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        self._headers = dict(headers)
        self._seconds = seconds
        self._idle: list[_Line] = []
        self._open: dict[int, _Line] = {}
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="sink")

    async def request(self, method: str, path: str = "", body: bytes | None = None) -> Answer:
        """Return the answer.

        Raise :class:`UnavailableError` when the server cannot be reached, which is no request's fault, and
        :class:`FailedError` when it does not answer; then the request may have been carried out.
        """
        line = self._idle.pop() if self._idle else self._line()
        self._open[id(line)] = line
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._ask, line, method, self._base + path, body)
        try:
            async with asyncio.timeout(self._seconds):
                answer = await asyncio.shield(work)
        except _UnreachedError as problem:
            raise UnavailableError(f"no answer: {problem}") from None
        except (OSError, http.client.HTTPException, TimeoutError) as problem:
            line.cut()
            raise FailedError(f"no answer: {type(problem).__name__} {problem}".strip()) from None
        except asyncio.CancelledError:
            line.cut()
            raise
        finally:
            del self._open[id(line)]
            # Whoever waits no more must still take what the thread brings, or it is complained about.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._idle.append(line)
        return answer

    def close(self) -> None:
        """Cut every connection; requests under way end with an error."""
        for line in (*self._open.values(), *self._idle):
            line.cut()
        self._idle.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _line(self) -> _Line:
        if self._tls is None:
            line = _Line(http.client.HTTPConnection(self._host, self._port, timeout=self._seconds))
        else:
            line = _Line(http.client.HTTPSConnection(self._host, self._port, timeout=self._seconds, context=self._tls))
        line.http.auto_open = 0  # only where it is seen whether somebody still waits
        return line

    def _ask(self, line: _Line, method: str, path: str, body: bytes | None) -> Answer:
        kept = line.http.sock is not None
        try:
            response = self._exchange(line, method, path, body)
        except _STALE:
            line.http.close()
            if line.given_up or not kept:
                raise
            # The server closed a connection nobody used for a while; that says nothing about this request.
            response = self._exchange(line, method, path, body)
        with response:
            content = response.read(_MOST_BYTES)
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=headers, content=content)

    def _exchange(self, line: _Line, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        """Send the request and return the answer as far as its headers."""
        if line.http.sock is None:
            try:
                line.http.connect()  # which lets no small packet wait (TCP_NODELAY)
            except OSError as problem:
                raise _UnreachedError(f"{type(problem).__name__} {problem}") from None
            if line.given_up:
                raise ConnectionAbortedError("nobody waits for the answer any more")
        try:
            line.http.request(method, path or "/", body, self._headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server that will not read the whole (413) answers and hangs up while we still write.
            with contextlib.suppress(OSError, http.client.HTTPException):
                return line.http.getresponse()
            raise
        return line.http.getresponse()
