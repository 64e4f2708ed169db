"""Which of the recorded gates a later one may build on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from lakehold.quality import results

FIRST = date(2013, 1, 1)


def gate(number: int, start: int, end: int, outcome: str = "ok") -> list[dict[str, Any]]:
    """What is recorded of a gate over the days from ``start`` to before ``end``, which saw snapshot ``number``."""
    common = {
        "gate_id": str(number), "snapshot_id": number, "table_name": "gold.delays",
        "interval_from": FIRST + timedelta(start), "interval_to": FIRST + timedelta(end),
    }  # fmt: skip
    return [{**common, "outcome": "ok"}, {**common, "outcome": outcome}]


@pytest.mark.parametrize(
    ("days", "snapshot"),
    [(None, 6), ((0, 1), 3), ((1, 2), 4), ((0, 2), 3), ((1, 3), None), ((5, 6), None)],
)
def test_only_a_gate_that_covered_the_interval_has_passed_it(
    days: tuple[int, int] | None, snapshot: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest_first = [*gate(6, 2, 3), *gate(5, 0, 9, "BLOCK"), *gate(4, 1, 2), *gate(3, 0, 2), *gate(2, 0, 1)]
    monkeypatch.setattr(results, "history", lambda *_, **__: newest_first)
    interval = (FIRST + timedelta(days[0]), FIRST + timedelta(days[1])) if days else None
    assert results.passed_snapshot(None, "gold", "gold.delays", interval) == snapshot
