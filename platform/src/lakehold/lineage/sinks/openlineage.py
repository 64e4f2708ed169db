"""The sink for any OpenLineage HTTP endpoint: events as they came, in order, at least once.

Events that share a run, a job or a dataset keep their order; others may overtake each other, so that a distant endpoint
is not paced by its latency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.sinks.answers import FailedError, judge
from lakehold.lineage.sinks.caller import Caller
from lakehold.lineage.sinks.model import Delivery, Item, Letter, Reads, RefusedError, UnavailableError
from lakehold.lineage.sinks.settings import Endpoint

_CONNECTIONS = 8
_TOO_MANY = 20
"""Refused in one window, and none taken: that is no longer about these events."""
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
        self._caller = Caller(endpoint.url, headers, seconds=seconds, connections=_CONNECTIONS)
        self._taken: set[str] = set()
        self._broke: dict[str, int] = {}

    async def look(self, _connection: AsyncConnection[TupleRow], /) -> None:
        """There is no question all endpoints answer; the next event tells."""

    async def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()

    async def deliver(self, _connection: AsyncConnection[TupleRow], window: Sequence[Item], /) -> Delivery:
        """Send what of the window was not taken before; each event only after those it has to follow."""
        attempt = _Attempt(window)
        earlier = predecessors(window)
        ended = [asyncio.get_running_loop().create_future() for _ in window]
        gate = asyncio.Semaphore(_CONNECTIONS)

        async def one(index: int) -> None:
            passed = True
            for before in earlier[index]:
                passed &= await ended[before]
            if passed:
                async with gate:
                    passed = await self._one(window[index], attempt)
            ended[index].set_result(passed)

        async with asyncio.TaskGroup() as group:
            for index in range(len(window)):
                group.create_task(one(index))
        self._blame(attempt)
        if len(attempt.letters) >= _TOO_MANY and not attempt.taken:
            reason = next(iter(attempt.letters.values())).reason
            self._taken.difference_update(attempt.letters)
            attempt.letters.clear()
            attempt.problems.append(UnavailableError(f"it refuses everything: {reason}"))
        return self._settled(attempt)

    async def _one(self, item: Item, attempt: _Attempt) -> bool:
        """Send one event; return whether those that follow it may go."""
        if item.key in self._taken:
            return True
        if attempt.problems:
            return False
        try:
            await self._send(item)
        except RefusedError as problem:
            attempt.letters[item.key] = Letter(key=item.key, reason=str(problem), body=item.body)
        except FailedError as problem:
            self._broke[item.key] = self._broke.get(item.key, 0) + 1
            if self._broke[item.key] < _PATIENCE:
                attempt.problems.append(problem)
                return False
            attempt.suspects[item.key] = (item, problem)
            return True
        except UnavailableError as problem:
            attempt.problems.append(problem)
            return False
        else:
            attempt.taken += 1
            attempt.innocent |= bool(attempt.suspects)
        self._taken.add(item.key)
        return True

    def _blame(self, attempt: _Attempt) -> None:
        """Put those aside that the endpoint keeps breaking over, if it took others after them."""
        for key, (item, problem) in attempt.suspects.items():
            if attempt.innocent:
                reason = f"{problem} ({self._broke[key]} times, and others were taken)"
                attempt.letters[key] = Letter(key=key, reason=reason, body=item.body)
                self._taken.add(key)
            else:
                attempt.problems.append(problem)

    def _settled(self, attempt: _Attempt) -> Delivery:
        done = 0
        while done < len(attempt.window) and attempt.window[done].key in self._taken:
            done += 1
        keys = [item.key for item in attempt.window[:done]]
        self._taken.difference_update(keys)
        for key in keys:
            self._broke.pop(key, None)
        # A letter beyond what is done with is not written yet, so its event is sent once more.
        self._taken.difference_update(attempt.letters.keys() - set(keys))
        letters = [attempt.letters[key] for key in keys if key in attempt.letters]
        return Delivery(done=done, letters=letters, problem=attempt.problems[0] if attempt.problems else None)

    async def _send(self, item: Item) -> None:
        judge(await self._caller.request("POST", body=item.body.encode("utf-8")))


@dataclass(slots=True)
class _Attempt:
    """What comes of one window."""

    window: Sequence[Item]
    letters: dict[str, Letter] = field(default_factory=dict)
    problems: list[UnavailableError] = field(default_factory=list)
    suspects: dict[str, tuple[Item, FailedError]] = field(default_factory=dict)
    taken: int = 0
    innocent: bool = False
    """Whether the endpoint took another event after it broke over a suspect."""


def predecessors(window: Sequence[Item]) -> list[list[int]]:
    """Return for each item the items it has to follow: the latest before it of each run, job and table it names."""
    latest: dict[str, int] = {}
    found = []
    for index, item in enumerate(window):
        found.append(sorted({latest[key] for key in item.order if key in latest}))
        latest.update(dict.fromkeys(item.order, index))
    return found
