"""The sink that publishes to an OpenMetadata: whatever changed is read as it is now and sent if it is not there so.

What is sent is the state, not the change, so a hundred changes of a table while the catalog was away are one upsert,
and sending twice does no harm. Tables come before edges, edges before results, since each names the ones before by id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

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
from lakehold.lineage.sinks.openmetadata.entities import ensure_place
from lakehold.lineage.sinks.openmetadata.quality import publish_results
from lakehold.lineage.sinks.openmetadata.records import Node
from lakehold.lineage.sinks.openmetadata.runs import publish_run
from lakehold.lineage.sinks.openmetadata.sent import Sents
from lakehold.lineage.sinks.openmetadata.session import Session
from lakehold.lineage.sinks.settings import Catalog

Connection = AsyncConnection[TupleRow]

_PATIENCE = 5
"""Times the catalog may break (500) over one entity while it answers others, before the entity is put aside."""


class OpenMetadataSink:
    """See the module."""

    name = "openmetadata"
    reads: Reads = "change"

    def __init__(self, options: Catalog, *, seconds: float = 30.0) -> None:
        self._options = options
        self._client = Client(options.endpoint, seconds=seconds)
        self._dialect: dialect.Dialect | None = None
        self._broke: dict[str, int] = {}

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def look(self, connection: Connection, /) -> None:
        """Learn its version, and see that it still has what it was told."""
        version = await self._client.get("/system/version")
        self._dialect = dialect.of(str(version.get("version", "")))
        await self._session(connection).still_there()

    async def deliver(self, connection: Connection, window: Sequence[Item], /) -> Delivery:
        """Publish what the window names. All of it is done with, or none: what was sent already is not sent again."""
        letters: dict[str, Letter] = {}
        keys = list(dict.fromkeys(item.key for item in window))
        try:
            session = self._session(connection)
            await self._places(session, keys, letters)
            runs = [key.removeprefix("run:") for key in keys if key.startswith("run:")]
            dags = await reading.perhaps_dags(connection, runs)
            keys = [key for key in keys if not key.startswith("run:") or key.removeprefix("run:") in dags]
            steps: dict[str, Callable[[str], Awaitable[None]]] = {
                "run": lambda id_: publish_run(session, id_),
                "edge": lambda id_: publish_edge(session, *_pair(id_)),
                "quality": lambda id_: publish_results(session, id_),
            }
            for kind, publish in steps.items():
                await self._each([key for key in keys if key.startswith(f"{kind}:")], publish, letters)
        except UnavailableError as problem:
            return Delivery(done=0, problem=problem)
        return Delivery(done=len(window), letters=list(letters.values()))

    def _session(self, connection: Connection) -> Session:
        return Session(
            client=self._client,
            dialect=self._dialect or dialect.of(""),
            options=self._options,
            connection=connection,
            sents=Sents(connection, self.name),
        )

    async def _places(self, session: Session, keys: Sequence[str], letters: dict[str, Letter]) -> None:
        """Publish every table that changed, and have at hand those that edges and results name."""
        wanted = {int(key.removeprefix("node:")) for key in keys if key.startswith("node:")}
        for key in keys:
            kind, _, id_ = key.partition(":")
            if kind == "edge":
                wanted.update(_pair(id_))
            elif kind == "quality":
                wanted.update(result.node_id for result in await reading.results(session.connection, id_))
        nodes = {f"node:{node.node_id}": node for node in await reading.nodes(session.connection, wanted)}

        async def publish(id_: str) -> None:
            node: Node = nodes[f"node:{id_}"]
            try:
                session.places[node.node_id] = await ensure_place(session, node)
            except RefusedError as problem:
                session.refused[node.node_id] = str(problem)
                raise

        await self._each(list(nodes), publish, letters)

    async def _each(
        self, keys: Sequence[str], publish: Callable[[str], Awaitable[None]], letters: dict[str, Letter]
    ) -> None:
        """Publish entities of a kind, a few at a time; the first that says "not now" stops the rest."""
        gate = asyncio.Semaphore(CONNECTIONS)
        problems: list[Exception] = []

        async def one(key: str) -> None:
            async with gate:
                if problems:
                    return
                try:
                    await self._one(key, publish, letters)
                except (UnavailableError, EmptiedError) as problem:
                    problems.append(problem)

        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(one(key))
        for problem in sorted(problems, key=lambda problem: isinstance(problem, UnavailableError)):
            raise problem

    async def _one(self, key: str, publish: Callable[[str], Awaitable[None]], letters: dict[str, Letter]) -> None:
        try:
            await publish(key.partition(":")[2])
        except RefusedError as problem:
            letters[key] = Letter(key=key, reason=str(problem), body=problem.sent)
        except FailedError as problem:
            # The catalog broke over this. If it goes on while it is well otherwise, the entity is put aside.
            self._broke[key] = self._broke.get(key, 0) + 1
            if self._broke[key] < _PATIENCE:
                raise
            with contextlib.suppress(RefusedError):  # whatever it says to that, it is well enough to say it
                await self._client.get("/tables?limit=1")
            reason = f"{problem} ({self._broke[key]} times, while other requests are answered)"
            letters[key] = Letter(key=key, reason=reason, body="")
        self._broke.pop(key, None)


def _pair(id_: str) -> tuple[int, int]:
    source, _, target = id_.partition(":")
    return int(source), int(target)
