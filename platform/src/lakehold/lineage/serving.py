"""Work on a connection for as long as the process lives, whatever becomes of PostgreSQL meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import connect, lost

log = logging.getLogger(__name__)

_AWAY_SECONDS = 1.0
_LATER_SECONDS = 5.0


async def serving(
    database: str, application: str, serve: Callable[[AsyncConnection[TupleRow]], Awaitable[None]]
) -> None:
    """Have ``serve`` work on a connection until cancelled; on another one when it ends with an error."""
    while True:
        try:
            async with await connect(database, application) as connection:
                await serve(connection)
        except Exception as problem:
            if lost(problem):
                log.info("the %s waits for PostgreSQL: %s", application, problem)
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            # It stays where it is, loudly, rather than leave events out; GET /api/v1/stages shows how far behind.
            log.exception("the %s cannot work in what comes next", application)
            await asyncio.sleep(_LATER_SECONDS)
