"""The service's HTTP interface: what it answers to emitters and to those who ask."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import AsyncNullConnectionPool
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lakehold.lineage import ask, database, export, trino
from lakehold.lineage.answer import AnswerError, Guarded, plain
from lakehold.lineage.derive import Deriver
from lakehold.lineage.ending import end
from lakehold.lineage.event import Event, Rejected, parse, parse_batch
from lakehold.lineage.explore import api, page
from lakehold.lineage.explore.apart import Asking
from lakehold.lineage.explore.session import Sessions
from lakehold.lineage.graph.child import GraphProcess
from lakehold.lineage.journal import Journal, Receipt, UnavailableError
from lakehold.lineage.jsontext import MalformedError
from lakehold.lineage.options import Options
from lakehold.lineage.sinks import api as sinks_api

_TURN_SECONDS = 0.9
"""The most a question for a list waits for one of the connections."""


class Service:
    """The handlers and what they share."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._authorization = b"Bearer " + options.token.encode("utf-8")
        self.sessions = Sessions(token=options.token)
        self.asking = Asking(options.database)
        self._graph = GraphProcess(options.database, options.catalog)
        self._deriver = Deriver(options.database, derived=self._graph.wake)
        self._journal = Journal(options.database, backlog_bytes=options.backlog_bytes, committed=self._deriver.wake)
        # A pool that keeps connections waits longer and longer before it looks for a PostgreSQL that was gone;
        # questions are rare enough to connect for each.
        self._readers = AsyncNullConnectionPool(
            options.database,
            kwargs=database.parameters("ask"),
            max_size=4,
            timeout=_TURN_SECONDS,
            reconnect_timeout=0,
            open=False,
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Run the background work for as long as the server answers; on the way out, commit what waits."""
        self._journal.start()
        deriver = asyncio.create_task(self._deriver.run(), name="deriver")
        graph = asyncio.create_task(self._graph.run(), name="graph")
        await self._readers.open(wait=False)
        try:
            yield
        finally:
            self.asking.close()
            await self._journal.stop()
            await end(deriver)
            graph.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await graph
            await self._readers.close()

    async def receive(self, request: Request) -> Response:
        """Take one event: 201 once it is durable."""
        self.authorize(request)
        body = await self._body(request)
        try:
            event = parse(body)
        except MalformedError as problem:
            await self._append([], [Rejected(body=body, reason=str(problem))])
            raise AnswerError(400, str(problem)) from None
        receipt = await self._append([event], [])
        if receipt.refused:
            raise AnswerError(400, receipt.refused[0][1])
        return Response(status_code=201)

    async def receive_trino(self, request: Request) -> Response:
        """Take what Trino says of a query: 201 once it is durable, 204 for a query that only reads."""
        self.authorize(request)
        body = await self._body(request)
        try:
            translated = trino.run_event(body, request.query_params.get("namespace", "lakehold"), self._options.trusted)
            event = parse(translated) if translated else None
        except MalformedError as problem:
            await self._append([], [Rejected(body=body, reason=f"from Trino: {problem}")])
            raise AnswerError(400, str(problem)) from None
        if event is None:
            return Response(status_code=204)
        receipt = await self._append([event], [])
        if receipt.refused:
            raise AnswerError(400, receipt.refused[0][1])
        return Response(status_code=201)

    async def receive_batch(self, request: Request) -> Response:
        """Take an array of events: 201 once all are durable, 207 when some are malformed, 400 when all are."""
        self.authorize(request)
        body = await self._body(request)
        try:
            items = parse_batch(body)
        except MalformedError as problem:
            await self._append([], [Rejected(body=body, reason=str(problem))])
            raise AnswerError(400, str(problem)) from None
        events = [item for item in items if isinstance(item, Event)]
        receipt = await self._append(events, [item for item in items if isinstance(item, Rejected)])
        reasons = _reasons(items, receipt)
        status = 201 if not reasons else 207 if len(reasons) < len(items) else 400
        answer = {"received": len(items), "accepted": len(items) - len(reasons), "rejected": reasons}
        return JSONResponse(answer, status_code=status)

    def listing(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of one of the lists of :mod:`lakehold.lineage.ask`."""

        async def answer(request: Request) -> Response:
            self.authorize(request)
            try:
                statement, values = ask.statement(name, dict(request.query_params))
            except ask.QuestionError as problem:
                raise AnswerError(400, str(problem)) from None
            rows = await self._read(statement, values)
            return JSONResponse({name: [{key: plain(value) for key, value in row.items()} for row in rows]})

        return answer

    async def event(self, request: Request) -> Response:
        """Answer one event as it was sent."""
        self.authorize(request)
        rows = await self._read(ask.EVENT, {"event_id": request.path_params["event_id"]})
        if not rows:
            raise AnswerError(404, "there is no such event")
        return Response(rows[0]["body"].encode("utf-8"), media_type="application/json")

    async def health(self, _request: Request) -> Response:
        """Answer 200 when events can be made durable; needs no token and tells nothing else."""
        if self._journal.down:
            return JSONResponse({"status": "unavailable", "reason": self._journal.down}, status_code=503)
        try:
            await self._read("SELECT position FROM stage", {})
        except AnswerError as problem:
            return JSONResponse({"status": "unavailable", "reason": problem.reason}, status_code=503)
        return JSONResponse({"status": "ok"})

    def authorize(self, request: Request) -> None:
        """Raise :class:`AnswerError` unless a request carries the token or, to ask only, a session of the page."""
        given = request.headers.get("authorization", "")
        asks = request.method in {"GET", "HEAD"} and self.sessions.good(given.removeprefix("Bearer "))
        if not asks and not hmac.compare_digest(given.encode("latin-1"), self._authorization):
            raise AnswerError(401, "the token is missing or wrong: send Authorization: Bearer <token>")

    async def _append(self, events: list[Event], rejected: list[Rejected]) -> Receipt:
        if not events and not rejected:
            return Receipt()
        try:
            async with asyncio.timeout(self._options.answer_seconds):
                return await self._journal.append(events, rejected)
        except UnavailableError as problem:
            raise AnswerError(503, str(problem)) from None
        except TimeoutError:
            raise AnswerError(503, "PostgreSQL did not commit in time; it is safe to send this again") from None

    async def _read(self, statement: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
        async with self.reader() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall()

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Give a connection to ask with; what PostgreSQL says against a question becomes an :class:`AnswerError`."""
        with database.answering():
            async with self._readers.connection() as connection:
                yield connection

    async def _body(self, request: Request) -> bytes:
        most = self._options.body_bytes
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise AnswerError(415, f"Content-Encoding {encoding!r} is not known; send gzip or plain JSON")
        unzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        parts, size = [], 0
        try:
            async for chunk in request.stream():
                part = unzip.decompress(chunk, most - size + 1) if unzip else chunk
                parts.append(part)
                size += len(part)
                if size > most:
                    raise AnswerError(413, f"the body is larger than {most} bytes")
        except zlib.error as problem:
            raise AnswerError(400, f"the body is not gzip: {problem}") from None
        if unzip and not unzip.eof:
            raise AnswerError(400, "the gzip body ends too early")
        if unzip and unzip.unused_data:
            raise AnswerError(400, "there is more data after the gzip body")
        return b"".join(parts)


def _reasons(items: list[Event | Rejected], receipt: Receipt) -> list[dict[str, Any]]:
    """Return index and reason of every element that was not stored as an event."""
    refused = {id(event): reason for event, reason in receipt.refused}
    found = []
    for index, item in enumerate(items):
        reason = item.reason if isinstance(item, Rejected) else refused.get(id(item))
        if reason is not None:
            found.append({"index": index, "reason": reason})
    return found


async def _answer(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, AnswerError)  # noqa: S101 - it is registered for this class only
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    if problem.status == 503:
        headers = {"Retry-After": "1"}
    return JSONResponse({"error": problem.reason}, status_code=problem.status, headers=headers)


async def _gone(_request: Request, _problem: Exception) -> Response:
    """Nobody is there to read the answer to a request that broke off."""
    return Response(status_code=400)


def create_app(options: Options) -> Starlette:
    """Return the ASGI application of one service process."""
    service = Service(options)
    return Starlette(
        routes=[
            Route("/api/v1/lineage", service.receive, methods=["POST"]),
            Route("/api/v1/lineage/batch", service.receive_batch, methods=["POST"]),
            Route("/api/v1/trino", service.receive_trino, methods=["POST"]),
            Route("/api/v1/events/{event_id:int}", service.event, methods=["GET"]),
            *(Route(f"/api/v1/{name}", service.listing(name), methods=["GET"]) for name in ask.QUESTIONS),
            *api.routes(service.authorize, service.asking, options.catalog),
            *export.routes(service.authorize, service.reader),
            *page.routes(service.sessions, options.cytoscape),
            *sinks_api.routes(service.authorize, service.reader),
            Route("/health", service.health, methods=["GET"]),
        ],
        middleware=[Middleware(Guarded)],
        exception_handlers={AnswerError: _answer, ClientDisconnect: _gone},
        lifespan=service.lifespan,
    )
