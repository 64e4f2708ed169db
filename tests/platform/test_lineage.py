"""Lineage of the main job as it was received: complete, tied together, and of runs that have ended."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from running_platform import RunningPlatform


def listed(platform: RunningPlatform, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        platform.lakehold("lineage", *arguments, "--limit", "1000", "--json").stdout
    )
    return rows


@pytest.fixture(scope="module")
def runs(day_run: tuple[RunningPlatform, str]) -> dict[str, dict[str, Any]]:
    """Every run of the job by id, once a run's end has been told (Airflow tells it after the run has ended)."""
    platform, _ = day_run
    deadline = time.monotonic() + 60
    while True:
        found = listed(platform, "runs", "--job", "flights_daily")
        if any(run["job_name"] == "flights_daily" and run["state"] == "COMPLETE" for run in found):
            return {run["run_id"]: run for run in found}
        assert time.monotonic() < deadline, found
        time.sleep(1)


def test_no_event_was_refused(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    assert listed(platform, "events", "--rejected") == []


@pytest.mark.parametrize("layer", ["bronze", "silver"])
def test_a_spark_statement_belongs_to_its_application_task_and_dag_run(
    runs: dict[str, dict[str, Any]], layer: str
) -> None:
    writers = [
        run
        for run in runs.values()
        if any(output["name"].endswith(f"{layer}/flights") for output in run["outputs"])
        and "overwrite" in run["job_name"]
    ]
    assert writers
    states = []
    for statement in writers:
        application = runs[statement["parent_run_id"]]
        task = runs[application["parent_run_id"]]
        dag_run = runs[task["parent_run_id"]]
        assert application["job_name"] == f"flights_daily_{layer}"
        assert (task["job_name"], dag_run["job_name"]) == (f"flights_daily.{layer}", "flights_daily")
        assert statement["root_run_id"] == dag_run["run_id"]
        states.append({run["state"] for run in (statement, application, task, dag_run)})
    # Others may have been killed by tests that ran before.
    assert {"COMPLETE"} in states


def test_silver_is_made_of_bronze(runs: dict[str, dict[str, Any]]) -> None:
    inputs = {
        item["name"]
        for run in runs.values()
        if any(output["name"].endswith("silver/flights") for output in run["outputs"])
        for item in run["inputs"]
    }
    tables = {"flights", "weather", "planes", "airports", "airlines"}
    assert {name.rpartition("/")[2] for name in inputs} == tables


def test_gold_is_made_of_silver(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    writers = [run for run in listed(platform, "runs", "--dataset", "lakehouse.gold.") if run["outputs"]]
    written = {output["name"].removesuffix("__dbt_tmp") for run in writers for output in run["outputs"]}
    marts = {"delays", "carrier_month", "routes", "aircraft_use", "weather_impact"}
    assert {f"lakehouse.gold.{name}" for name in marts} <= written
    assert "lakehouse.silver.flights" in {item["name"] for run in writers for item in run["inputs"]}
