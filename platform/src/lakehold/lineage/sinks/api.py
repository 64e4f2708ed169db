"""What the service answers about sinks: where each stands, its letters, sending them again, and metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lakehold.lineage.answer import AnswerError, plain
from lakehold.lineage.sinks import book, metrics

Authorize = Callable[[Request], None]
Reader = Callable[[], AbstractAsyncContextManager[AsyncConnection[TupleRow]]]

_LETTERS = """
SELECT letter_id, sink, item, reason, at, asked_at, replayed_at, octet_length(body) AS bytes,
    left(body, 200) AS beginning
FROM sink_letter WHERE (%(sink)s = '' OR sink = %(sink)s) AND (%(all)s OR replayed_at IS NULL)
ORDER BY letter_id DESC LIMIT %(limit)s
"""
_MOST_BODY = 65536


def routes(authorize: Authorize, reader: Reader) -> list[Route]:
    """Return the routes; ``reader`` gives a connection to the lineage database."""
    desk = _Desk(authorize, reader)
    return [
        Route("/metrics", desk.metrics, methods=["GET"]),
        Route("/api/v1/sinks", desk.sinks, methods=["GET"]),
        Route("/api/v1/sinks/{name}", desk.forget, methods=["DELETE"]),
        Route("/api/v1/sinks/{name}/replay", desk.replay, methods=["POST"]),
        Route("/api/v1/letters", desk.letters, methods=["GET"]),
    ]


class _Desk:
    def __init__(self, authorize: Authorize, reader: Reader) -> None:
        self._authorize = authorize
        self._reader = reader

    async def metrics(self, request: Request) -> Response:
        """Answer Prometheus."""
        self._authorize(request)
        page = metrics.text(await self._rows(metrics.SINKS, {}), await self._rows(metrics.STAGES, {}))
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def sinks(self, request: Request) -> Response:
        """Say where each sink stands."""
        self._authorize(request)
        return JSONResponse({"sinks": _plain(await self._rows(metrics.SINKS, {}))})

    async def letters(self, request: Request) -> Response:
        """List what was refused: of one ``sink``, also what was sent again with ``all``."""
        self._authorize(request)
        asked = request.query_params
        limit = asked.get("limit", "50")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            raise AnswerError(400, "limit must be a number from 1 to 1000")
        values = {"sink": asked.get("sink", ""), "all": asked.get("all", "") in {"1", "true"}, "limit": int(limit)}
        return JSONResponse({"letters": _plain(await self._rows(_LETTERS, values))})

    async def replay(self, request: Request) -> Response:
        """Have letters sent again, those named or all that are open; or, with ``everything``, tell everything anew."""
        self._authorize(request)
        name, wanted = request.path_params["name"], await _object(request)
        async with self._reader() as connection:
            await _known(connection, name)
            if wanted.get("everything") is True:
                await book.begin_again(connection, name)
                return JSONResponse({"everything": True}, status_code=202)
            await book.hurry(connection, name)
            cursor = await connection.execute(
                "UPDATE sink_letter SET asked_at = clock_timestamp() WHERE sink = %s AND replayed_at IS NULL"
                " AND (%s::bigint[] IS NULL OR letter_id = ANY(%s::bigint[]))",
                (name, _ids(wanted), _ids(wanted)),
            )
            return JSONResponse({"letters": cursor.rowcount}, status_code=202)

    async def forget(self, request: Request) -> Response:
        """Drop the page of a sink that is no longer configured, with its letters."""
        self._authorize(request)
        name = request.path_params["name"]
        async with self._reader() as connection:
            await _known(connection, name)
            if not await book.claim(connection, name):
                raise AnswerError(409, f"the sink {name} is being served: take it out of the settings first")
            await connection.execute("DELETE FROM sink WHERE name = %s", (name,))
        return Response(status_code=204)

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._reader() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement.encode(), values)
            return await cursor.fetchall()


async def _known(connection: AsyncConnection[TupleRow], name: str) -> None:
    cursor = await connection.execute("SELECT 1 FROM sink WHERE name = %s", (name,))
    if await cursor.fetchone() is None:
        raise AnswerError(404, f"there is no sink {name}")


async def _object(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise AnswerError(413, f"the body is larger than {_MOST_BODY} bytes")
    try:
        wanted = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as problem:
        raise AnswerError(400, f"the body is not JSON: {problem}") from None
    if not isinstance(wanted, dict):
        raise AnswerError(400, "the body must be a JSON object")
    return wanted


def _ids(wanted: dict[str, Any]) -> list[int] | None:
    ids = wanted.get("letters")
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise AnswerError(400, "letters must be an array of letter ids")
    return ids


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: plain(value) for key, value in row.items()} for row in rows]
