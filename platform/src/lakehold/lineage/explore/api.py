"""The routes that ask the graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.catalog import coverage
from lakehold.lineage.explore import browse, changes, describe, find, graph, impact, search
from lakehold.lineage.explore.apart import Asking
from lakehold.lineage.explore.asked import MOST_EDGES, Asked

Connection = AsyncConnection[TupleRow]
Question = Callable[[Connection, Asked, str], Awaitable[dict[str, Any]]]


async def _graph(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    bounds, at = asked.bounds(), asked.moment("at")
    place = await find.place(connection, asked.text("of"), catalog)
    return await graph.answer(connection, place, bounds, at, catalog)


async def _search(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    limit = asked.number("limit", 20, 200)
    return {"results": await search.search(connection, asked.text("q"), limit, catalog)}


async def _node(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    at = asked.moment("at")
    place = await find.place(connection, asked.text("name"), catalog)
    return await describe.describe(connection, place, at, catalog)


async def _impact(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    at = asked.moment("at")
    place = await find.place(connection, asked.text("of"), catalog)
    return await impact.impact(connection, place, at, catalog)


async def _changes(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    asked.text("from")
    start, end, bounds = asked.moment("from"), asked.moment("to"), asked.bounds()
    if start >= end:
        raise AnswerError(400, "from must be before to")
    if not asked.optional("of"):
        return await changes.everywhere(connection, start, end, bounds, catalog)
    place = await find.place(connection, asked.text("of"), catalog)
    return await changes.around(connection, place, start, end, bounds, catalog)


async def _moments(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    bounds = asked.bounds()
    place = await find.place(connection, asked.text("of"), catalog)
    return await changes.moments(connection, place, bounds)


async def _tables(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    name, limit = asked.optional("name"), asked.number("limit", 1000, browse.MOST_ROWS)
    return await browse.tables(connection, name, asked.moment("at"), limit, catalog)


async def _overview(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    return await browse.overview(connection, asked.moment("at"), asked.number("limit", 2000, MOST_EDGES), catalog)


async def _processes(connection: Connection, asked: Asked, _catalog: str) -> dict[str, Any]:
    name, limit = asked.optional("name"), asked.number("limit", 1000, browse.MOST_ROWS)
    return await browse.processes(connection, name, asked.moment("at"), limit)


async def _process(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    id_ = asked.number("id", 0, 999_999_999)
    return await browse.process(connection, id_, asked.moment("at"), catalog)


async def _coverage(connection: Connection, asked: Asked, catalog: str) -> dict[str, Any]:
    since = asked.moment("since") if asked.optional("since") else None
    limit = asked.number("limit", 1000, coverage.MOST_ROWS)
    return await coverage.coverage(connection, catalog, table=asked.optional("table"), since=since, limit=limit)


_AROUND = {"of", "direction", "depth", "edges", "limit"}
QUESTIONS: dict[str, tuple[Question, set[str]]] = {
    "graph": (_graph, _AROUND | {"at", "fan"}),
    "coverage": (_coverage, {"table", "since", "limit"}),
    "search": (_search, {"q", "limit"}),
    "node": (_node, {"name", "at"}),
    "impact": (_impact, {"of", "at"}),
    "changes": (_changes, _AROUND | {"from", "to"}),
    "moments": (_moments, _AROUND),
    "tables": (_tables, {"name", "at", "limit"}),
    "overview": (_overview, {"at", "limit"}),
    "processes": (_processes, {"name", "at", "limit"}),
    "process": (_process, {"id", "at"}),
}
"""Path below ``/api/v1/`` → what answers it, and its parameters."""


def routes(authorize: Callable[[Request], None], asking: Asking, catalog: str) -> list[Route]:
    """Return a route for each of :data:`QUESTIONS`, for requests that ``authorize`` lets pass."""

    def handler(question: Question, known: set[str]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            authorize(request)
            asked = Asked(request.query_params, known)
            found = await asking.answer(
                lambda connection: question(connection, asked, catalog), gone=request.is_disconnected
            )
            return Response(found, media_type="application/json")

        return answer

    return [Route(f"/api/v1/{name}", handler(*of), methods=["GET"]) for name, of in QUESTIONS.items()]
