"""A dbt project as Airflow tasks, and SQL in an audited group, on a real Trino."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lakehold.cli.sql import connect

pytestmark = pytest.mark.component

REPOSITORY = Path(__file__).parents[3]
ALL = {f"marts.{name}": "success" for name in ("build", "first", "second", "third", "beside")}


@pytest.fixture
def trino(airflow: Any) -> Any:
    airflow.lab.start("trino")
    return airflow


@pytest.fixture
def broken(trino: Any) -> Any:
    """The project with a model that fails its test; undone by `mend`."""
    write(trino, "select 2 as good, id from {{ ref('first') }}")
    yield trino
    mend(trino)


def write(airflow: Any, sql: str) -> None:
    model = airflow.checkout / "dbt_project" / "models" / "second.sql"
    if model.read_text() == sql:
        return
    airflow.client.wait_for_dag("marts")
    before = airflow.call("GET", "dags/marts")["bundle_version"]
    model.write_text(sql)
    airflow.until(lambda: airflow.call("GET", "dags/marts")["bundle_version"] != before, "a new version")


def mend(airflow: Any) -> None:
    write(airflow, "select good from {{ ref('first') }}\n")


def test_every_model_is_a_task_with_a_state_and_a_time(trino: Any) -> None:
    run, _ = trino.start_day("marts")
    assert trino.ended(run) == "success"
    assert trino.states(run) == ALL
    assert all(task.end >= task.start for task in trino.client.tasks(run))
    assert "first: success" in trino.log(run, "marts.first")
    assert "2 of 2 tests passed" in trino.log(run, "marts.first")


def test_a_failed_test_fails_its_model_the_build_and_what_reads_it(broken: Any) -> None:
    run, interval = broken.start_day("marts")
    assert broken.ended(run) == "failed"
    assert broken.states(run) == ALL | {
        "marts.build": "failed",
        "marts.second": "failed",
        "marts.third": "upstream_failed",
    }
    assert "Got 1 result" in broken.log(run, "marts.second")
    mend(broken)
    # Run again, with the newest code: one build, every model anew.
    assert broken.client.start("marts", interval).run_id == run.run_id
    assert broken.ended(run) == "success"
    assert broken.states(run) == ALL
    assert all(task.end >= task.start for task in broken.client.tasks(run))


def test_a_single_model_that_is_cleared_is_built_alone(trino: Any) -> None:
    run, _ = trino.start_day("marts")
    assert trino.ended(run) == "success"
    build = trino.task(run, "marts.build").attempt
    clear = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": ["marts.second"], "only_failed": False}
    trino.call("POST", "dags/marts/clearTaskInstances", clear)
    trino.until(lambda: trino.task(run, "marts.second").attempt > 1, "the second attempt")
    assert trino.ended(run) == "success"
    assert "building this model alone" in trino.log(run, "marts.second")
    assert trino.task(run, "marts.build").attempt == build


def test_the_dag_of_the_how_to_publishes_what_trino_wrote(trino: Any) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "publish-what-passed.md").read_text(encoding="utf-8")
    [printed] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (trino.checkout / "dags" / "busy_days.py").write_text(printed)
    with closing(connect(trino.lab.site, "admin")) as connection:
        cursor = connection.cursor()
        for flights in (0, 3):
            cursor.execute(
                f"CREATE OR REPLACE TABLE gold.delays AS SELECT DATE '2013-01-01' AS flight_date, {flights} AS flights"
            ).fetchall()
            run = trino.start("busy_days")
            if not flights:
                assert trino.ended(run) == "failed"
                assert trino.states(run)["report.check"] == "failed"
                assert cursor.execute("SHOW TABLES FROM gold LIKE 'busy_days'").fetchall() == []
        assert trino.ended(run) == "success"
        assert cursor.execute("SELECT flights FROM gold.busy_days").fetchall() == [[3]]
