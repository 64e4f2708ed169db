"""The main job on the real cluster, each task a pod: the answers that one machine gives."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
from airline import Airline
from fingerprints import fingerprint
from flights_day import DAY, FLIGHTS, of_file, of_table
from lakehold.pipelines.client import Interval, TaskState
from real_cluster import Installation
from waiting import wait_for


def test_a_day_gives_exactly_its_files_rows(day: tuple[Installation, list[TaskState]], airline: Airline) -> None:
    installation, _ = day
    assert of_table(installation) == of_file(airline.rows(DAY))


def test_every_task_was_run_once(day: tuple[Installation, list[TaskState]]) -> None:
    _, tasks = day
    assert len(tasks) > 5
    assert {task.name: task.attempt for task in tasks if task.attempt > 1} == {}


def test_nothing_is_left_of_the_tasks_pods(day: tuple[Installation, list[TaskState]]) -> None:
    """A run has ended before its last pod has: the scheduler takes away what it has seen the end of."""
    installation, _ = day
    labels = "app.kubernetes.io/component=airflow-task"

    def none_left() -> bool:
        return installation.cluster.objects("pods", "--namespace", installation.namespace, "--selector", labels) == []

    wait_for(none_left, 120, "the tasks' pods have gone")


@pytest.mark.parametrize("producer", ["airflow", "spark", "trino"])
def test_every_engine_reported_its_lineage(day: tuple[Installation, list[TaskState]], producer: str) -> None:
    installation, _ = day
    assert producer in str(installation.lineage("events", limit=1000)).lower()


def test_a_month_in_one_interval_has_the_known_answers(
    day: tuple[Installation, list[TaskState]], airline: Airline
) -> None:
    installation, _ = day
    alone = fingerprint(installation, FLIGHTS, f"flight_date = date '{DAY}'")
    with installation.cluster.timed("flights_daily for January"):
        installation.finish(installation.start(Interval(start=date(2013, 1, 1), end=date(2013, 2, 1))))
    files = [file for key, file in airline.files.items() if key.startswith("flights/2013-01-")]
    rows = [row for file in files for row in csv.DictReader(io.StringIO(file.body.decode()))]
    assert of_table(installation, "flight_date < date '2013-02-01'") == of_file(rows) | {"n": "27004"}
    [answer] = installation.sql(
        f"select count(distinct carrier) as carriers, count_if(carrier = 'UA') as united from {FLIGHTS} "
        "where flight_date < date '2013-02-01'"
    )
    assert answer == {
        "carriers": str(len({row["carrier"] for row in rows})),
        "united": str(sum(row["carrier"] == "UA" for row in rows)),
    }
    assert fingerprint(installation, FLIGHTS, f"flight_date = date '{DAY}'") == alone
