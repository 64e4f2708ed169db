"""The files an interval needs."""

from __future__ import annotations

import pytest
from lakehold.pipelines.landing_keys import expected_keys, summary


@pytest.mark.parametrize(
    ("pattern", "start", "end", "keys"),
    [
        ("flights/{day}.csv", "2013-01-01", "2013-01-02", ["flights/2013-01-01.csv"]),
        ("flights/{day}.csv", "2012-12-31", "2013-01-02", ["flights/2012-12-31.csv", "flights/2013-01-01.csv"]),
        ("flights/{day}.csv", "2013-01-01", "2013-01-01", []),
        ("reference/planes.csv", "2013-01-01", "2013-12-01", ["reference/planes.csv"]),
    ],
)
def test_one_file_a_day_the_end_excluded(pattern: str, start: str, end: str, keys: list[str]) -> None:
    assert expected_keys(pattern, start, end) == keys


def test_a_year_has_365_files() -> None:
    assert len(expected_keys("{day}", "2013-01-01", "2014-01-01")) == 365


def test_many_missing_files_are_counted_not_listed() -> None:
    keys = expected_keys("{day}", "2013-01-01", "2013-01-31")
    assert summary(keys[:2]) == "2013-01-01, 2013-01-02"
    assert summary(keys).endswith("2013-01-10 and 20 more")
