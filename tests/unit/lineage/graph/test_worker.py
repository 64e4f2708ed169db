"""The worker's round, and the service's hold on it, with what they work with replaced."""

import asyncio
import itertools
from typing import Any, cast

import pytest
from lakehold.lineage.graph import child, policy, worker


class EnoughError(Exception):
    pass


class Arrivals:
    """Says that events come first for so long."""

    def __init__(self, first: list[bool]) -> None:
        self.first = first

    async def come_first(self, _: object) -> bool:
        return bool(self.first) and self.first.pop()


def test_what_is_old_goes_also_while_there_is_always_more(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = 0

    async def more(*_: object) -> bool:
        await asyncio.sleep(0)
        return True

    class Keeper:
        async def apply(self, _: object) -> None:
            nonlocal applied
            applied += 1
            if applied == 3:
                raise EnoughError

    async def serve() -> None:
        busy = worker.Worker("", "lakehouse", policy.Policy())
        monkeypatch.setattr(busy, "_keep", Keeper())
        monkeypatch.setattr(busy, "_arrivals", Arrivals(first=[]))
        with pytest.raises(EnoughError):
            await asyncio.wait_for(busy._serve(cast(Any, None)), 60)

    monkeypatch.setattr(worker, "drain_once", more)
    asyncio.run(serve())
    assert applied == 3


def test_the_graph_stands_back_while_events_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    async def work(*_: object) -> bool:
        seen.append("work")
        raise EnoughError

    class Keeper:
        async def apply(self, _: object) -> None:
            seen.append("keep")

    async def sleep(seconds: float) -> None:
        seen.append(seconds)

    async def serve() -> None:
        patient = worker.Worker("", "lakehouse", policy.Policy())
        monkeypatch.setattr(patient, "_keep", Keeper())
        monkeypatch.setattr(patient, "_arrivals", Arrivals(first=[True, True]))
        with pytest.raises(EnoughError):
            await patient._serve(cast(Any, None))

    monkeypatch.setattr(worker, "drain_once", work)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(serve())
    assert seen == [1.0, "keep", 1.0, "keep", "work"]


def test_a_worker_that_cannot_be_started_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0
    pauses: list[float] = []

    class Process:
        returncode = 1

        async def wait(self) -> int:
            return 1

    async def start(*_: object, **__: object) -> Process:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise OSError(12, "Cannot allocate memory")
        return Process()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(child.GraphProcess("", "lakehouse").run())
    assert attempts == 8
    assert all(later >= sooner for sooner, later in itertools.pairwise(pauses))
    assert (pauses[0], pauses[-1]) == (1.0, 60.0)
