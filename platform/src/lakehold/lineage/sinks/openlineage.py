"""The sink for any OpenLineage HTTP endpoint: events as they came, in order, at least once.

Events that share a run, a job or a dataset keep their order; others may overtake each other, so that a distant endpoint
is not paced by its latency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.sinks.answers import FailedError, broken, judge
from lakehold.lineage.sinks.model import Delivery, Item, Letter, Reads, RefusedError, UnavailableError
from lakehold.lineage.sinks.settings import Endpoint

_CONNECTIONS = 4
_PATIENCE = 6
"""Times the endpoint may break (5xx) over one event before the next is tried, to learn whose fault it is."""


class OpenLineageSink:
    """See the module."""

    name = "openlineage"
    reads: Reads = "event"

    def __init__(self, endpoint: Endpoint, *, seconds: float = 10.0) -> None:
        headers = {"Content-Type": "application/json"}
        if endpoint.token:
            headers["Authorization"] = f"Bearer {endpoint.token}"
        self._url = endpoint.url
        # The machine's proxy variables are for its users' browsing, not for what a setting names.
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=seconds,
            trust_env=False,
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )
        self._taken: set[str] = set()
        self._broke: dict[str, int] = {}

    async def look(self, _connection: AsyncConnection[TupleRow], /) -> None:
        """There is no question all endpoints answer; the next event tells."""

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def deliver(self, _connection: AsyncConnection[TupleRow], window: Sequence[Item], /) -> Delivery:
        """Send what of the window was not taken before; stop each lane at the first event that is not taken."""
        letters: dict[str, Letter] = {}
        problems: list[UnavailableError] = []
        gate = asyncio.Semaphore(_CONNECTIONS)

        async def drive(lane: Sequence[Item]) -> None:
            async with gate:
                if not problems:
                    await self._drive(lane, letters, problems)

        async with asyncio.TaskGroup() as group:
            for lane in lanes(window):
                group.create_task(drive(lane))
        done = 0
        for item in window:
            if item.key not in self._taken:
                break
            done += 1
        for item in window[:done]:
            self._taken.discard(item.key)
            self._broke.pop(item.key, None)
        kept = [letters[item.key] for item in window[:done] if item.key in letters]
        self._taken -= letters.keys() - {letter.key for letter in kept}
        return Delivery(done=done, letters=kept, problem=problems[0] if problems else None)

    async def _drive(self, lane: Sequence[Item], letters: dict[str, Letter], problems: list[UnavailableError]) -> None:
        suspect: tuple[Item, FailedError] | None = None
        for item in lane:
            if item.key in self._taken:
                continue
            try:
                await self._send(item)
            except RefusedError as problem:
                letters[item.key] = Letter(key=item.key, reason=str(problem), body=item.body)
                self._taken.add(item.key)
            except FailedError as problem:
                self._broke[item.key] = self._broke.get(item.key, 0) + 1
                if suspect is None and self._broke[item.key] >= _PATIENCE:
                    suspect = (item, problem)
                    continue
                problems.append(problem if suspect is None else suspect[1])
                return
            except UnavailableError as problem:
                problems.append(problem)
                return
            else:
                self._taken.add(item.key)
            if suspect is not None:
                culprit, reason = suspect
                letters[culprit.key] = Letter(
                    key=culprit.key, body=culprit.body, reason=f"{reason} ({_PATIENCE} times, and others were taken)"
                )
                self._taken.add(culprit.key)
                suspect = None
        if suspect is not None:
            problems.append(suspect[1])

    async def _send(self, item: Item) -> None:
        try:
            answer = await self._client.post(self._url, content=item.body.encode("utf-8"))
        except httpx.TransportError as problem:
            raise broken(problem) from None
        judge(answer)


def lanes(window: Sequence[Item]) -> list[list[Item]]:
    """Split a window so that items which must keep their order are in one lane, each lane in order."""
    head: dict[str, str] = {}

    def root(key: str) -> str:
        while head.setdefault(key, key) != key:
            head[key] = head[head[key]]
            key = head[key]
        return key

    for item in window:
        own = root(item.key)
        for key in item.order:
            head[root(key)] = own
    found: dict[str, list[Item]] = {}
    for item in window:
        found.setdefault(root(item.key), []).append(item)
    return list(found.values())
