"""Background work ends, also when it hears of something else instead of that it is cancelled."""

import asyncio

import pytest
from lakehold.lineage import ending


def test_who_misses_that_he_is_cancelled_is_told_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "_AGAIN_SECONDS", 0.01)
    missed = 0

    async def misses() -> None:
        nonlocal missed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if missed == 3:
                    raise
                missed += 1

    async def breaks() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("on the way out")

    async def both() -> None:
        tasks = [asyncio.create_task(misses()), asyncio.create_task(breaks())]
        await asyncio.sleep(0)
        await ending.end(*tasks)
        assert [task.done() for task in tasks] == [True, True]

    asyncio.run(asyncio.wait_for(both(), 60))
    assert missed == 3
    assert "on the way out" in caplog.text
