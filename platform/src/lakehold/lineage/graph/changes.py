"""The outbox: what became different, in the transaction that made it so, for sinks to read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

ChangeKind = Literal["node", "process", "run", "edge", "quality"]

_KINDS: tuple[ChangeKind, ...] = ("node", "process", "run", "edge", "quality")

_waiting: ContextVar[set[tuple[ChangeKind, str]] | None] = ContextVar("waiting", default=None)


async def tell(connection: AsyncConnection[TupleRow], kind: ChangeKind, ids: Iterable[object]) -> None:
    """Append what changed, each once."""
    told = {(kind, str(one)) for one in ids}
    waiting = _waiting.get()
    if waiting is not None:
        waiting |= told
    else:
        await _append(connection, told)


@contextlib.asynccontextmanager
async def gathered(connection: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Append what is told within only at the end, each once: who reads the outbox waits for those who write it."""
    waiting: set[tuple[ChangeKind, str]] = set()
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    await _append(connection, waiting)


async def _append(connection: AsyncConnection[TupleRow], told: Iterable[tuple[ChangeKind, str]]) -> None:
    # A reader that takes them in this order knows a table before the edges to it.
    rows = sorted(told, key=lambda one: (_KINDS.index(one[0]), one[1]))
    if rows:
        await connection.execute(
            "INSERT INTO change (kind, id) SELECT * FROM unnest(%s::text[], %s::text[])",
            ([kind for kind, _ in rows], [id_ for _, id_ in rows]),
        )
