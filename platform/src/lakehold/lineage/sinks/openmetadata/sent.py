"""What the catalog was told last of each entity, and the id it has there."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class Sent(NamedTuple):
    """An entity as it was sent; ``digest`` is that of its payload."""

    digest: bytes
    remote_id: str


def digest(payload: Any) -> bytes:
    """Return sixteen bytes that are equal for equal payloads."""
    return hashlib.blake2b(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


_MOST = 500
"""Bytes of an entity's key; names in events may be of any length, keys of an index may not."""


def key(entity: str) -> str:
    """Return an entity's key in the table: itself, where PostgreSQL can store and find it as it is."""
    clean = entity.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if clean == entity and len(entity.encode()) <= _MOST:
        return entity
    return f"{clean[:64]}~{hashlib.blake2b(entity.encode(), digest_size=16).hexdigest()}"


class Sents:
    """The table ``sink_sent`` of one sink."""

    def __init__(self, connection: AsyncConnection[TupleRow], sink: str) -> None:
        self._connection = connection
        self._sink = sink

    async def get(self, entity: str) -> Sent | None:
        """Return what was sent last of an entity."""
        cursor = await self._connection.execute(
            "SELECT digest, remote_id FROM sink_sent WHERE sink = %s AND entity = %s", (self._sink, key(entity))
        )
        row = await cursor.fetchone()
        return None if row is None else Sent(row[0], row[1])

    async def first(self, kind: str) -> str | None:
        """Return the name of an entity that was sent, of those that begin with ``kind``."""
        cursor = await self._connection.execute(
            "SELECT entity FROM sink_sent WHERE sink = %s AND starts_with(entity, %s) AND strpos(entity, '~') = 0"
            " LIMIT 1",
            (self._sink, kind),
        )
        row = await cursor.fetchone()
        return None if row is None else str(row[0]).removeprefix(kind)

    async def keep(self, entity: str, payload: Any, remote_id: str) -> None:
        """Write that an entity was sent."""
        await self._connection.execute(
            "INSERT INTO sink_sent (sink, entity, digest, remote_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (sink, entity) DO UPDATE SET digest = excluded.digest, remote_id = excluded.remote_id",
            (self._sink, key(entity), digest(payload), remote_id),
        )

    async def forget(self, *entities: str) -> None:
        """Have entities sent again the next time they are met."""
        await self._connection.execute(
            "DELETE FROM sink_sent WHERE sink = %s AND entity = ANY(%s)",
            (self._sink, [key(entity) for entity in entities]),
        )

    async def moved(self, node_id: int) -> None:
        """Have every edge of a table sent again: it has another id there, so its edges are gone with the old one."""
        await self._connection.execute(
            "WITH gone AS (DELETE FROM sink_sent WHERE sink = %(sink)s AND entity LIKE 'edge:%%'"
            " AND (split_part(entity, ':', 2) = %(node)s OR split_part(entity, ':', 3) = %(node)s) RETURNING entity)"
            " INSERT INTO change (kind, id) SELECT 'edge', substr(entity, 6) FROM gone",
            {"sink": self._sink, "node": str(node_id)},
        )
