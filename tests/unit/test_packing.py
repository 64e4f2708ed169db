"""How the component tests are divided among workers."""

from __future__ import annotations

from pathlib import Path

import packing

ROOT = Path(__file__).parents[2]


def test_what_comes_first_is_there() -> None:
    assert [start for start in packing.LONG if not (ROOT / start).exists()] == []


def test_a_file_that_takes_long_comes_before_one_that_does_not_and_after_a_longer() -> None:
    names = ("airflow/test_dbt", "spark/test_jobs", "maintenance/test_upkeep", "postgres/test_postgres")
    ranks = [packing.rank(f"tests/component/{name}.py::test") for name in names]
    assert ranks == sorted(set(ranks))
