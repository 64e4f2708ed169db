"""The routes that ask the graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lakehold.lineage.answer import plain
from lakehold.lineage.explore import describe, find, graph, search
from lakehold.lineage.explore.asked import MOST_DEPTH, MOST_EDGES, Asked

Connection = AsyncConnection[TupleRow]
Question = Callable[[Connection, Asked, str], Awaitable[dict[str, Any]]]


async def _graph(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    direction, which = asked.direction(), asked.which()
    depth, most = asked.number("depth", 3, MOST_DEPTH), asked.number("limit", 2000, MOST_EDGES)
    at = asked.moment("at")
    place = await find.place(connection, asked.text("of"), catalog)
    return await graph.around(
        connection, place, direction=direction, depth=depth, at=at, which=which, most=most, catalog=catalog
    )


async def _search(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    limit = asked.number("limit", 20, 200)
    return {"results": await search.search(connection, asked.text("q"), limit, catalog)}


async def _node(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    at = asked.moment("at")
    place = await find.place(connection, asked.text("name"), catalog)
    return await describe.describe(connection, place, at, catalog)


QUESTIONS: dict[str, tuple[Question, set[str]]] = {
    "graph": (_graph, {"of", "direction", "depth", "at", "edges", "limit"}),
    "search": (_search, {"q", "limit"}),
    "node": (_node, {"name", "at"}),
}
"""Path below ``/api/v1/`` → what answers it, and its parameters."""


def routes(
    authorize: Callable[[Request], None],
    reader: Callable[[], AbstractAsyncContextManager[Connection]],
    catalog: str,
) -> list[Route]:
    """Return a route for each of :data:`QUESTIONS`, for requests that ``authorize`` lets pass."""

    def handler(question: Question, known: set[str]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            authorize(request)
            asked = Asked(request.query_params, known)
            async with reader() as connection:
                found = await question(connection, asked, catalog)
            return JSONResponse(_plain(found))

        return answer

    return [Route(f"/api/v1/{name}", handler(*of), methods=["GET"]) for name, of in QUESTIONS.items()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return plain(value)
