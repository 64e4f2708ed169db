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


def table(dataset: str) -> str:
    """The table of a location, which ends in its layer, its name and a number; a name of the catalog is its own."""
    if "/" not in dataset:
        return dataset
    layer, name = dataset.split("/")[-2:]
    return f"{layer}.{name.split('-')[0]}"


@pytest.mark.parametrize(("layer", "name"), [("bronze", "load"), ("silver", "join")])
def test_a_spark_statement_belongs_to_its_application_task_and_dag_run(
    runs: dict[str, dict[str, Any]], layer: str, name: str
) -> None:
    writers = [
        run
        for run in runs.values()
        if any(table(output["name"]) == f"{layer}.flights" for output in run["outputs"])
        and "overwrite" in run["job_name"]
    ]
    assert writers
    states = []
    for statement in writers:
        application = runs[statement["parent_run_id"]]
        task = runs[application["parent_run_id"]]
        dag_run = runs[task["parent_run_id"]]
        assert application["job_name"] == f"flights_daily_{layer}_{name}"
        assert (task["job_name"], dag_run["job_name"]) == (f"flights_daily.{layer}.{name}", "flights_daily")
        assert statement["root_run_id"] == dag_run["run_id"]
        states.append({run["state"] for run in (statement, application, task, dag_run)})
    # Others may have been killed by tests that ran before.
    assert {"COMPLETE"} in states


def test_silver_is_made_of_bronze(runs: dict[str, dict[str, Any]]) -> None:
    inputs = {
        item["name"]
        for run in runs.values()
        if any(table(output["name"]) == "silver.flights" for output in run["outputs"])
        for item in run["inputs"]
    }
    references = {"weather", "planes", "airports", "airlines"}
    read = {"bronze.flights", *(f"bronze.{name}" for name in references)}
    # A day is replaced by writing its month again, so silver reads itself as well.
    assert {table(name) for name in inputs} - {"silver.flights"} == read


def test_gold_is_made_of_silver(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    writers = [run for run in listed(platform, "runs", "--dataset", "lakehouse.gold.") if run["outputs"]]
    written = {output["name"].removesuffix("__dbt_tmp") for run in writers for output in run["outputs"]}
    marts = {"delays", "carrier_month", "routes", "aircraft_use", "weather_impact"}
    assert {f"lakehouse.gold.{name}" for name in marts} <= written
    assert "lakehouse.silver.flights" in {item["name"] for run in writers for item in run["inputs"]}


@pytest.fixture(scope="module")
def graph(day_run: tuple[RunningPlatform, str]) -> RunningPlatform:
    """The platform, once its graph has every column of the job from where a person drew it."""
    platform, _ = day_run
    deadline = time.monotonic() + 60
    while True:
        done = platform.lakehold("lineage", "assert", "tests/golden/flights_daily.yml", check=False)
        if done.returncode == 0:
            return platform
        # The graph follows the events, and those of the last task come after the run.
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(2)


def test_a_gold_column_is_followed_to_its_landed_file(graph: RunningPlatform) -> None:
    up = graph.lakehold("lineage", "show", "gold.delays.on_time_rate", "--up", "--depth", "4", "--values").stdout
    assert "s3://landing/flights#arr_delay  IDENTITY" in up


def test_a_landed_column_has_an_impact_on_gold(graph: RunningPlatform) -> None:
    reached = json.loads(graph.lakehold("lineage", "impact", "s3://landing/flights#arr_delay", "--json").stdout)
    columns = {(one["title"], column["name"]) for one in reached["tables"] for column in one["columns"]}
    assert {("gold.delays", "on_time_rate"), ("gold.carrier_month", "on_time_rank")} <= columns
    assert {process["name"] for process in reached["processes"]} >= {"flights_daily.silver.join", "dbt:delays"}
