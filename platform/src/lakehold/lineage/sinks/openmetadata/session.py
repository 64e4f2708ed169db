"""One delivery to an OpenMetadata: its client, its dialect, what was sent before, and the upsert all entities share."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.sinks.model import EmptiedError, RefusedError, UnavailableError
from lakehold.lineage.sinks.openmetadata import payloads
from lakehold.lineage.sinks.openmetadata.client import Client, MissingError, id_of
from lakehold.lineage.sinks.openmetadata.dialect import Dialect
from lakehold.lineage.sinks.openmetadata.records import Node
from lakehold.lineage.sinks.openmetadata.sent import Sents, digest
from lakehold.lineage.sinks.settings import Catalog


@dataclass(frozen=True, kw_only=True)
class Place:
    """A node as the catalog has it."""

    node: Node
    id: str
    type: str
    """``table`` or ``container``."""
    fqn: str

    @property
    def reference(self) -> dict[str, str]:
        """How an edge names it."""
        return {"id": self.id, "type": self.type}


@dataclass(kw_only=True)
class Session:
    """See the module; lives for one window."""

    client: Client
    dialect: Dialect
    options: Catalog
    connection: AsyncConnection[TupleRow]
    sents: Sents
    places: dict[int, Place | None] = field(default_factory=dict)
    """Nodes met in this window; ``None`` is one that has no place in the catalog."""
    refused: dict[int, str] = field(default_factory=dict)
    """Nodes the catalog did not take in this window, with the reason."""
    owners: dict[str, dict[str, str] | None] = field(default_factory=dict)
    """Names of owners looked up for this window, in whatever attempt."""
    told: dict[str, bytes] = field(default_factory=dict)
    """Digests of states and results this process has sent: nothing else remembers them between attempts."""
    pipelines: dict[str, str] = field(default_factory=dict)
    """Run → id of the pipeline it is of, met in this window."""
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """One for each entity, so that nobody sends the same one at the same time (a 409)."""

    async def upsert(self, entity: str, path: str, payload: dict[str, Any]) -> tuple[str, bool]:
        """Send an entity if it is not as it was sent last; return its id and whether it is another than before."""
        async with self.locks[entity]:
            before = await self.sents.get(entity)
            if before is not None and before.digest == digest(payload):
                return before.remote_id, False
            remote_id = id_of(await self.client.put(path, payload))
            await self.sents.keep(entity, payload, remote_id)
            return remote_id, before is not None and before.remote_id != remote_id

    async def edge(self, entity: str, payload: dict[str, Any]) -> None:
        """Send an edge, which has no id, if it is not as it was sent last."""
        async with self.locks[entity]:
            before = await self.sents.get(entity)
            if before is None or before.digest != digest(payload):
                await self.client.put("/lineage", payload)
                await self.sents.keep(entity, payload, "")

    async def tell(self, entity: str, payload: dict[str, Any], send: Callable[[], Awaitable[object]]) -> None:
        """Send what needs no id and is never removed, if it is not what this process sent last."""
        seen = digest(payload)
        if self.told.get(entity) != seen:
            await send()
            self.told[entity] = seen

    async def once(self, entity: str, make: Callable[[], Awaitable[str]]) -> str:
        """Make what many need, once; return the id it was given."""
        async with self.locks[entity]:
            before = await self.sents.get(entity)
            if before is not None:
                return before.remote_id
            remote_id = await make()
            await self.sents.keep(entity, entity, remote_id)
            return remote_id

    def place(self, node_id: int) -> Place | None:
        """Return where a node is; :class:`RefusedError` when the catalog did not take it."""
        if node_id in self.refused:
            raise RefusedError(f"its table was refused: {self.refused[node_id]}")
        return self.places.get(node_id)

    async def service(self, kind: str, name: str, type_: str) -> str:
        """Make sure of a service, and leave one that is there as it is: its connection is not ours to take away."""

        async def make() -> str:
            try:
                found = await self.client.get(f"/services/{kind}s/name/{path_of(name)}")
            except MissingError:
                found = await self.client.put(f"/services/{kind}s", payloads.service(name, type_))
            return id_of(found)

        return await self.once(f"{kind}:{name}", make)

    async def still_there(self) -> None:
        """Raise :class:`EmptiedError` when the database service is not the one that was made."""
        name = self.options.service
        before = await self.sents.get(f"databaseService:{name}")
        if before is None:
            return
        try:
            found = await self.client.get(f"/services/databaseServices/name/{path_of(name)}")
        except MissingError:
            raise EmptiedError(f"it no longer has the service {name}") from None
        if id_of(found) != before.remote_id:
            raise EmptiedError(f"its service {name} is another one than before")

    async def still_writes(self) -> None:
        """Raise :class:`UnavailableError` when it does not take what it has taken before: a database."""
        database = await self.sents.first("database:")
        if database is None:
            raise UnavailableError("it has not taken anything yet")
        try:
            await self.client.put("/databases", payloads.database(self.options.service, database))
        except RefusedError:
            return  # whatever it says to that, it is well enough to say it


def path_of(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")
