"""Steps that go on when something in them cannot be worked in: by halves, down to the one that is too odd."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost, passing

_AGAIN = 1
_AGAIN_ALONE = 3


async def by_halves(connection: AsyncConnection[TupleRow], attempt: Callable[[int], Awaitable[int]], limit: int) -> int:
    """Return what ``attempt`` does of at most ``limit`` things; where that fails, of half of them, and so on.

    What cannot be worked in alone either is raised, and so is that PostgreSQL is away. Where others may have stood in
    the way, the same is attempted again: once, and thrice before something is taken for too slow by itself.
    """
    again = _AGAIN
    while True:
        try:
            return await attempt(limit)
        except Exception as problem:
            if lost(problem) or connection.closed:
                raise
            if again and passing(problem):
                again -= 1
            elif limit > 1:
                limit //= 2
                again = _AGAIN_ALONE if limit == 1 else 0
            else:
                raise
