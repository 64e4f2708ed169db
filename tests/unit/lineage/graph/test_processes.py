import uuid
from typing import Any

import pytest
from lakehold.lineage.graph.processes import Belongs, Process, Run, belongs, dbt_model

OWN, TASK, DAG, APPLICATION = (uuid.UUID(int=number) for number in (1, 2, 3, 4))
LOAD = Belongs(Process("lakehold", "flights_daily.bronze.load", "task"), TASK)
COMMENT = '/* {"app": "dbt", "node_id": "model.lakehold.delays"} */\ncreate table t as select 1'


def a_run(name: str = "j", parent: tuple[uuid.UUID | None, str] | None = None) -> Run:
    return Run(
        run_id=OWN,
        job=("lakehold", name),
        parent_run_id=parent[0] if parent else None,
        parent_job=("lakehold", parent[1]) if parent else None,
    )


def merged(job: dict[str, Any] | None = None, producer: str = "urn:test", **run: Any) -> dict[str, Any]:
    return {"producer": producer, "run": {"facets": run}, "job": {"facets": job or {}}, "outputs": [{}]}


def job_type(integration: str, kind: str) -> dict[str, Any]:
    return {"jobType": {"integration": integration, "jobType": kind, "processingType": "BATCH"}}


def test_an_airflow_task_is_a_process_and_its_dag_run_is_none() -> None:
    task = a_run("flights_daily.bronze.load", (DAG, "flights_daily"))
    assert belongs(task, merged(job_type("AIRFLOW", "TASK")), None) == Belongs(LOAD.process, OWN)
    assert belongs(a_run("flights_daily"), merged(job_type("AIRFLOW", "DAG")), None) is None


def test_what_a_task_starts_is_part_of_it_down_to_the_statement() -> None:
    event = merged(job_type("SPARK", "SQL_JOB"), producer="spark")
    assert belongs(a_run("app.append_data", (APPLICATION, "app")), event, LOAD) == LOAD


def test_a_parent_that_nothing_came_from_is_known_by_the_name_its_child_gives_it() -> None:
    root = {"parent": {"root": {"job": {"name": "flights_daily"}}}}
    found = belongs(a_run("app", (TASK, "flights_daily.bronze.load")), merged(producer="spark", **root), None)
    assert found == LOAD
    found = belongs(a_run("app.append_data", (APPLICATION, "app")), merged(producer="spark"), None)
    assert found == Belongs(Process("lakehold", "app", "spark"), APPLICATION)


def test_a_parent_whose_run_is_not_known_gives_its_name() -> None:
    found = belongs(a_run("2026_query", (None, "etl.load")), merged(producer="trino"), None)
    assert found == Belongs(Process("lakehold", "etl.load", "task"), OWN)


def test_a_spark_application_without_a_task_is_a_process() -> None:
    found = belongs(a_run("nightly"), merged(job_type("SPARK", "APPLICATION"), producer="spark"), None)
    assert found == Belongs(Process("lakehold", "nightly", "spark"), OWN)


@pytest.mark.parametrize("parent", [None, LOAD])
def test_a_dbt_model_is_a_process_of_its_own(parent: Belongs | None) -> None:
    by_comment = merged({"sql": {"query": COMMENT}}, producer="trino")
    by_facet = merged(producer="trino", lakehold_query={"model": "model.lakehold.delays", "user": "dbt"})
    for event in (by_comment, by_facet):
        found = belongs(a_run("2026_query"), event, parent)
        assert found == Belongs(Process("lakehold", "dbt:delays", "model"), TASK if parent else OWN)


def test_a_comment_that_the_service_did_not_believe_is_not_believed() -> None:
    said = {"model": None, "user": "engineer"}
    event = merged({"sql": {"query": COMMENT}}, producer="trino", lakehold_query=said)
    found = belongs(a_run("2026_query"), event, None)
    assert found == Belongs(Process("lakehold", "user:engineer", "person"), OWN)


def test_a_dbt_test_is_no_process_of_its_own() -> None:
    event = merged(producer="trino", lakehold_query={"model": "test.lakehold.unique_delays", "user": "dbt"})
    assert belongs(a_run("2026_query"), event, LOAD) == LOAD


def test_ad_hoc_sql_belongs_to_its_user() -> None:
    found = belongs(a_run("2026_query"), merged(producer="trino", lakehold_query={"user": "engineer"}), None)
    assert found == Belongs(Process("lakehold", "user:engineer", "person"), OWN)
    nobody = belongs(a_run("2026_query"), merged(producer="trino"), None)
    assert nobody == Belongs(Process("lakehold", "user:?", "person"), OWN)
    assert belongs(a_run("2026_query"), {**merged(producer="trino"), "outputs": []}, None) is None


def test_any_other_job_is_a_process() -> None:
    assert belongs(a_run("copy"), merged(), None) == Belongs(Process("lakehold", "copy", "query"), OWN)


@pytest.mark.parametrize(
    "query",
    [
        None,
        7,
        "select 1",
        "/* not json */ select 1",
        '/* {"app": "other"} */ select 1',
        '/* {"app": "dbt"} */ select 1',
    ],
)
def test_a_statement_without_dbts_comment_is_no_models(query: Any) -> None:
    assert dbt_model(merged({"sql": {"query": query}})) is None
