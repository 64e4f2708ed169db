"""The sink that publishes to an OpenMetadata: whatever changed is read as it is now and sent if it is not there so.

What is sent is the state, not the change, so a hundred changes of a table while the catalog was away are one upsert,
and sending twice does no harm. Tables come before edges, edges before results, since each names the ones before by id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost
from lakehold.lineage.sinks.answers import FailedError
from lakehold.lineage.sinks.model import (
    Delivery,
    EmptiedError,
    Item,
    Letter,
    Reads,
    RefusedError,
    UnavailableError,
)
from lakehold.lineage.sinks.openmetadata import dialect, reading
from lakehold.lineage.sinks.openmetadata.client import CONNECTIONS, Client
from lakehold.lineage.sinks.openmetadata.edges import publish_edge
from lakehold.lineage.sinks.openmetadata.entities import ensure_place, known_place
from lakehold.lineage.sinks.openmetadata.quality import publish_results
from lakehold.lineage.sinks.openmetadata.runs import publish_run
from lakehold.lineage.sinks.openmetadata.sent import Sents
from lakehold.lineage.sinks.openmetadata.session import Session
from lakehold.lineage.sinks.settings import Catalog

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]
Publish = Callable[[str], Awaitable[None]]

_PATIENCE = 5
"""Times an entity may fail while the catalog takes others, before the entity is put aside."""
_REMEMBERED = 20_000
"""Digests of states and results to keep from one window for the next; those of a window are kept until its end."""


class OpenMetadataSink:
    """See the module."""

    name = "openmetadata"
    reads: Reads = "change"

    def __init__(self, options: Catalog, *, seconds: float = 30.0) -> None:
        self._options = options
        self._client = Client(options.endpoint, seconds=seconds)
        self._version = ""
        self._dialect = dialect.of("")
        self._failed: dict[str, int] = {}
        self._told: dict[str, bytes] = {}
        self._owners: dict[str, dict[str, str] | None] = {}

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    def forget(self) -> None:
        """Send states and results again."""
        self._told.clear()

    async def look(self, connection: Connection, /) -> None:
        """Learn its version, and see that it still has what it was told."""
        version = (await self._client.get("/system/version")).get("version")
        if not isinstance(version, str) or not version:
            raise UnavailableError("what answers there names no version: it is no OpenMetadata")
        if version != self._version:
            self._version, self._dialect = version, dialect.of(version)
        await self._session(connection).still_there()

    async def deliver(self, connection: Connection, window: Sequence[Item], /, *, again: bool = False) -> Delivery:
        """Publish what the window names. All of it is done with, or none: what was sent already is not sent again."""
        session = self._session(connection)
        telling = _Telling(session, self._failed, patience=1 if again else _PATIENCE)
        try:
            await telling.everything(list(dict.fromkeys(item.key for item in window)))
        except UnavailableError as problem:
            return Delivery(done=0, problem=problem)
        finally:
            self._dialect = session.dialect
        self._owners.clear()
        if len(self._told) > _REMEMBERED:
            self._told.clear()
        return Delivery(done=len(window), letters=list(telling.letters.values()))

    def _session(self, connection: Connection) -> Session:
        return Session(
            client=self._client,
            dialect=self._dialect,
            options=self._options,
            connection=connection,
            sents=Sents(connection, self.name),
            owners=self._owners,
            told=self._told,
        )


class _Telling:
    """One attempt to tell one window."""

    def __init__(self, session: Session, failed: dict[str, int], *, patience: int) -> None:
        self._session = session
        self._failed = failed
        self._patience = patience
        self.letters: dict[str, Letter] = {}

    async def everything(self, keys: Sequence[str]) -> None:
        """Publish what the keys name: tables first, since all else names them."""
        session = self._session
        await self._places(keys)
        runs = [key.removeprefix("run:") for key in keys if key.startswith("run:")]
        dags = await reading.perhaps_dags(session.connection, runs)
        keys = [key for key in keys if not key.startswith("run:") or key.removeprefix("run:") in dags]
        steps: dict[str, Publish] = {
            "run": lambda id_: publish_run(session, id_),
            "edge": lambda id_: publish_edge(session, *_pair(id_)),
            "quality": lambda id_: publish_results(session, id_),
        }
        for kind, publish in steps.items():
            await self._each([key for key in keys if key.startswith(f"{kind}:")], publish)

    async def _places(self, keys: Sequence[str]) -> None:
        """Publish every table that changed, and have at hand those that edges and results name."""
        session = self._session
        changed = {int(key.removeprefix("node:")) for key in keys if key.startswith("node:")}
        wanted = set(changed)
        for key in keys:
            kind, _, id_ = key.partition(":")
            if kind == "edge":
                wanted.update(_pair(id_))
            elif kind == "quality":
                wanted.update(result.node_id for result in await reading.results(session.connection, id_))
        found = await reading.nodes(session.connection, wanted)
        # Tables first: a database that was taken is what tells a catalog that is down from one that dislikes an entity.
        nodes = {node.node_id: node for node in sorted(found, key=lambda node: (node.kind == "file", node.node_id))}
        told = await reading.perhaps_said(session.connection, [nodes[id_] for id_ in nodes if id_ in changed])

        async def publish(id_: str) -> None:
            node = nodes[int(id_)]
            place = None if node.node_id in changed else await known_place(session, node)
            if place is None:
                known = told.get(node.node_id) or (await reading.said(session.connection, [node]))[0]
                place = await ensure_place(session, known)
            session.places[node.node_id] = place

        await self._each([f"node:{node_id}" for node_id in nodes], publish)

    async def _each(self, keys: Sequence[str], publish: Publish) -> None:
        """Publish entities of a kind, a few at a time; the first that says "not now" stops the rest."""
        gate = asyncio.Semaphore(CONNECTIONS)
        problems: list[Exception] = []

        async def one(key: str) -> None:
            async with gate:
                if problems:
                    return
                try:
                    await self._one(key, publish)
                except Exception as problem:  # noqa: BLE001 - raised below, once those under way have ended
                    problems.append(problem)

        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(one(key))
        for problem in sorted(problems, key=lambda problem: isinstance(problem, UnavailableError)):
            raise problem

    async def _one(self, key: str, publish: Publish) -> None:
        try:
            await self._in_its_words(key.partition(":")[2], publish)
        except RefusedError as problem:
            self._aside(key, str(problem), problem.sent)
        except FailedError as problem:
            await self._again(key, problem)
        except (UnavailableError, EmptiedError):
            raise
        except Exception as problem:
            if lost(problem):
                raise
            # A mistake of ours, over something nobody thought of. It is this entity's, so it does not stop the others.
            log.exception("the publisher cannot tell of %s", key)
            await self._again(key, FailedError(f"{type(problem).__name__}: {problem}"))
        self._failed.pop(key, None)

    async def _in_its_words(self, id_: str, publish: Publish) -> None:
        """Publish an entity; where the server knows other words than its version let expect, in those."""
        tried: list[dialect.Dialect] = []
        while True:
            spoken = self._session.dialect
            tried.append(spoken)
            try:
                return await publish(id_)
            except RefusedError as problem:
                other = dialect.after(spoken, str(problem), problem.sent)
                if other is None or other in tried:
                    raise
                self._session.dialect = other

    async def _again(self, key: str, problem: FailedError) -> None:
        """Raise the problem; put the entity aside instead when it goes on while the catalog takes what it took."""
        self._failed[key] = self._failed.get(key, 0) + 1
        if self._failed[key] < self._patience:
            raise problem
        try:
            await self._session.still_writes()
        except UnavailableError as other:
            raise UnavailableError(f"{problem} (and besides: {other})", retry_after=other.retry_after) from None
        self._aside(key, f"{problem} ({self._failed[key]} times, while other requests are answered)", "")

    def _aside(self, key: str, reason: str, sent: str) -> None:
        self.letters[key] = Letter(key=key, reason=reason, body=sent)
        kind, _, id_ = key.partition(":")
        if kind == "node":
            self._session.refused[int(id_)] = reason


def _pair(id_: str) -> tuple[int, int]:
    source, _, target = id_.partition(":")
    return int(source), int(target)
