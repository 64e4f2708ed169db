"""Numbers as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lakehold.tables.maintenance_report import age, size

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (2.6e6, "2.6 MB"), (5e9, "5.0 GB"), (7e13, "70.0 TB")],
)
def test_sizes(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(("seconds", "said"), [(5, "now"), (120, "2 min"), (7200, "2 h"), (3 * 86400, "3 d")])
def test_ages(seconds: int, said: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == said
    assert age(None, NOW) == "never"
