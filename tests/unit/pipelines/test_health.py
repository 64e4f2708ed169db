"""The question after a heartbeat: nobody's silence counts as another's death."""

from __future__ import annotations

import pytest
from lakehold.pipelines import health

NOBODY = "http://127.0.0.1:1/health"


def answer(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(health, "status", lambda _url, _job: found)


def test_a_fresh_heartbeat_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "healthy")
    assert health.main(NOBODY, "scheduler") == 0
    assert health.main(NOBODY, "scheduler", "--unless-unknown") == 0


def test_a_stale_one_is_not_in_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "unhealthy")
    assert health.main(NOBODY, "scheduler") == 1
    assert health.main(NOBODY, "scheduler", "--unless-unknown") == 1


def test_when_nobody_answers_it_is_not_ready_but_alive() -> None:
    assert health.main(NOBODY, "scheduler") == 1
    assert health.main(NOBODY, "scheduler", "--unless-unknown") == 0
