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

from lakehold.lineage.sinks import feed
from lakehold.lineage.sinks.answers import FailedError, judge
from lakehold.lineage.sinks.caller import Caller
from lakehold.lineage.sinks.model import Delivery, Item, Letter, Reads, RefusedError, UnavailableError
from lakehold.lineage.sinks.settings import Endpoint

_CONNECTIONS = 8
_TOO_MANY = 20
"""Refused in one window, and none taken: that is perhaps no longer about these events."""
_PATIENCE = 6
"""Times the first event may fail, or all of a window be refused, before others are tried to learn whose fault it is."""
_PROBES = 20


class OpenLineageSink:
    """See the module."""

    name = "openlineage"
    reads: Reads = "event"

    def __init__(self, endpoint: Endpoint, *, seconds: float = 10.0) -> None:
        headers = {"Content-Type": "application/json"}
        if endpoint.token:
            headers["Authorization"] = f"Bearer {endpoint.token}"
        self._caller = Caller(endpoint, headers, seconds=seconds, connections=_CONNECTIONS)
        self._taken: set[str] = set()
        self._failed: dict[str, int] = {}
        """Times in a row that a window could not be begun, by its first event."""

    async def look(self, _connection: AsyncConnection[TupleRow], /) -> None:
        """There is no question all endpoints answer; the next event tells."""

    async def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()

    def forget(self) -> None:
        """Send again what was taken beyond the position."""
        self._taken.clear()
        self._failed.clear()

    async def deliver(
        self, connection: AsyncConnection[TupleRow], window: Sequence[Item], /, *, again: bool = False
    ) -> Delivery:
        """Send what of the window was not taken before; each event only after those it has to follow."""
        attempt = _Attempt(window)
        await self._send_all(attempt)
        if attempt.stuck is not None and not again:
            await self._suspect(attempt, attempt.stuck)
        if len(attempt.letters) >= _TOO_MANY and not attempt.taken and not await self._takes_later(connection, window):
            reason = next(iter(attempt.letters.values())).reason
            self._taken.difference_update(attempt.letters)
            attempt.letters.clear()
            attempt.problems.append(UnavailableError(f"it refuses everything: {reason}"))
        return self._settled(attempt)

    async def _send_all(self, attempt: _Attempt) -> None:
        window = attempt.window
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
        except UnavailableError as problem:
            attempt.problems.append(problem)
            if item is attempt.window[0] and isinstance(problem, FailedError):
                attempt.stuck = problem
            return False
        else:
            attempt.taken += 1
        self._taken.add(item.key)
        return True

    async def _suspect(self, attempt: _Attempt, problem: FailedError) -> None:
        """Put the first event aside when it keeps failing, and still does right after another one was taken."""
        first = attempt.window[0]
        failures = self._count(first)
        others = self._others(attempt.window)
        if failures < _PATIENCE or not others:
            return
        # Each time another, since that one may be as bad. It is told again in its turn, after those it follows.
        try:
            await self._send(others[(failures - _PATIENCE) % len(others)])
        except (RefusedError, UnavailableError):
            return
        try:
            await self._send(first)
        except (RefusedError, FailedError) as later:
            reason = f"{later} ({failures} times, and another was taken)"
            attempt.letters[first.key] = Letter(key=first.key, reason=reason, body=first.body)
        except UnavailableError:
            return
        attempt.problems.remove(problem)
        self._taken.add(first.key)

    async def _takes_later(self, connection: AsyncConnection[TupleRow], window: Sequence[Item]) -> bool:
        """Say whether, of a window that was refused as a whole again and again, what comes after is taken."""
        if self._count(window[0]) < _PATIENCE:
            return False
        for item in await feed.newest(connection, window[-1].position, _PROBES):
            try:
                await self._send(item)
            except RefusedError:
                continue
            except UnavailableError:
                return False
            return True
        return False

    def _others(self, window: Sequence[Item]) -> list[Item]:
        """Return what may be tried instead of a window's first event: what does not follow it before what does."""
        earlier, after = predecessors(window), {0}
        for index in range(1, len(window)):
            if after.intersection(earlier[index]):
                after.add(index)
        apart = [item for index, item in enumerate(window) if index not in after and item.key not in self._taken]
        return apart + [window[index] for index in sorted(after - {0})] or list(window[1:])[-1:]

    def _count(self, first: Item) -> int:
        self._failed = {first.key: self._failed.get(first.key, 0) + 1}
        return self._failed[first.key]

    def _settled(self, attempt: _Attempt) -> Delivery:
        done = 0
        while done < len(attempt.window) and attempt.window[done].key in self._taken:
            done += 1
        keys = [item.key for item in attempt.window[:done]]
        self._taken.difference_update(keys)
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
    stuck: FailedError | None = None
    """Why the first event did not get through."""
    taken: int = 0


def predecessors(window: Sequence[Item]) -> list[list[int]]:
    """Return for each item the items it has to follow: the latest before it of each run, job and table it names."""
    latest: dict[str, int] = {}
    found = []
    for index, item in enumerate(window):
        found.append(sorted({latest[key] for key in item.order if key in latest}))
        latest.update(dict.fromkeys(item.order, index))
    return found
