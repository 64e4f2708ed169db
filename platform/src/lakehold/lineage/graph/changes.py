"""The outbox: what became different, in the transaction that made it so, for sinks to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

ChangeKind = Literal["node", "process", "run", "edge", "quality"]


async def tell(connection: AsyncConnection[TupleRow], kind: ChangeKind, ids: Iterable[object]) -> None:
    """Append what changed, each once."""
    texts = sorted({str(one) for one in ids})
    if texts:
        await connection.execute("INSERT INTO change (kind, id) SELECT %s, unnest(%s::text[])", (kind, texts))
