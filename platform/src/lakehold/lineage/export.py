"""Pages of the graph's rows, for whoever keeps a copy: PostgreSQL makes the JSON, so the service stays free."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.tables import VIEWS, View, page, positions

MOST_ROWS = 20_000


def routes(
    authorize: Callable[[Request], None], reader: Callable[[], AbstractAsyncContextManager[AsyncConnection[TupleRow]]]
) -> list[Route]:
    """Return ``/api/v1/export``: each table with a text that changes with it; ``/api/v1/export/<table>``: rows."""

    async def tables(request: Request) -> Response:
        authorize(request)
        async with reader() as connection:
            row = await (await connection.execute(sql.SQL(positions()), {})).fetchone()
        return Response(str(row[0]) if row else "{}", media_type="application/json")

    async def rows(request: Request) -> Response:
        authorize(request)
        view = VIEWS.get(request.path_params["table"])
        if view is None:
            raise AnswerError(404, f"there is no such table; there are {', '.join(VIEWS)}")
        statement, values = _question(view, request.query_params.get("after", ""), request.query_params.get("limit"))
        async with reader() as connection:
            row = await (await connection.execute(statement, values)).fetchone()
        return Response(str(row[0]) if row else "[]", media_type="application/json")

    return [Route("/api/v1/export", tables, methods=["GET"]), Route("/api/v1/export/{table}", rows, methods=["GET"])]


def _question(view: View, after: str, limit: str | None) -> tuple[sql.SQL, dict[str, object]]:
    """Return the statement of a page; ``after`` is the last row's key, its parts joined by commas."""
    most = limit or str(MOST_ROWS)
    if not (most.isascii() and most.isdecimal() and 0 < int(most) <= MOST_ROWS):
        raise AnswerError(400, f"limit is a number from 1 to {MOST_ROWS}")
    parts = after.split(",") if after else []
    if parts and len(parts) != len(view.key):
        raise AnswerError(400, f"after has {len(view.key)} parts")
    keys = {f"after_{number}": part for number, part in enumerate(parts)}
    return sql.SQL(page(view, further=bool(parts))), {"limit": int(most), **keys}
