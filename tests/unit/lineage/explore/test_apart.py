"""Questions wait for their turn; who has gone by then is asked nothing for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore import apart
from lakehold.lineage.explore.apart import Asking
from starlette.requests import ClientDisconnect


async def _question(_connection: Any) -> dict[str, Any]:
    return {}


async def _gone() -> bool:
    return True


async def _there() -> bool:
    return False


def test_who_has_gone_takes_no_turn_from_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart.database, "connect", _refuse)

    async def ask() -> None:
        asking = Asking("nowhere")
        for _ in range(5):
            with pytest.raises(ClientDisconnect):
                await asking.answer(_question, _gone)
        for _ in range(5):
            with pytest.raises(AnswerError, match="reached"):
                await asking.answer(_question, _there)
        asking.close()

    asyncio.run(ask())


async def _refuse(*_: Any) -> Any:
    raise AnswerError(503, "reached")
