"""Work that outlives PostgreSQL, and its own mistakes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from lakehold.lineage import derive, serving
from lakehold.lineage.graph import policy
from lakehold.lineage.graph.worker import Worker


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Connections that are none, and rests that take no time."""
    taken: list[float] = []

    async def connect(*_: object) -> Any:
        @contextlib.asynccontextmanager
        async def nothing() -> AsyncIterator[None]:
            yield

        return nothing()

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(serving, "connect", connect)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return taken


@pytest.mark.parametrize("kind", ["deriver", "worker"])
def test_neither_an_absence_nor_a_mistake_ends_it(
    kind: str, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    problems = [psycopg.OperationalError("gone"), KeyError("a mistake"), psycopg.errors.ProgramLimitExceeded("long")]

    async def serve(_: object) -> None:
        raise problems.pop(0) if problems else asyncio.CancelledError

    works = derive.Deriver("") if kind == "deriver" else Worker("", "lakehouse", policy.Policy())
    works._serve = serve  # type: ignore[method-assign]  # what it works with is replaced
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(works.run())
    assert pauses == [1.0, 5.0, 5.0]
    assert caplog.text.count("cannot work in what comes next") == 2
