"""Maintenance as Airflow runs it every night."""

from __future__ import annotations

import json

import pytest
from running_platform import RunningPlatform

pytestmark = pytest.mark.platform


def test_the_nightly_run_looks_at_every_table_and_takes_no_rows(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    question = "SELECT count(*) rows, sum(arr_delay) delays FROM silver.flights"
    before = platform.sql(question)
    platform.lakehold("run", "table_maintenance", "--wait")
    assert platform.sql(question) == before
    seen = platform.sql("SELECT DISTINCT table_name FROM ops.table_maintenance")
    tables = [row["name"] for row in json.loads(platform.lakehold("tables", "status", "--json").stdout)]
    assert {"bronze.flights", "silver.flights", "gold.delays"} <= set(tables) & {row["table_name"] for row in seen}
