"""Prints, from Airflow's own environment, the edges of `flights_daily` and what audited groups refuse."""

import json
import runpy
import sys
from pathlib import Path

from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator
from lakehold.pipelines.audited import audited


class Task(BaseOperator):
    """A task of somebody else's."""


def refusal(make):
    """What is said about a group, or nothing."""
    with DAG("some", schedule=None):
        try:
            make()
        except ValueError as error:
            return str(error)
    return None


def empty():
    with audited("gold", schemas=["gold"]):
        pass


def nested():
    with audited("outer", schemas=["gold"]), audited("inner", schemas=["silver"]):
        Task(task_id="task")


def edges(dag):
    return {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}


def branches():
    """Two chains inside, one of which also depends on a task outside."""
    with DAG("some", schedule=None) as dag:
        before = Task(task_id="before")
        with audited("gold", schemas=["gold"]) as audit:
            [Task(task_id="a"), before] >> Task(task_id="b")
            Task(task_id="c")
        audit >> Task(task_id="after")
    return {"edges": edges(dag), "table": audit.table("gold.delays"), "schema": audit.schema("gold")}


def other():
    with audited("gold", schemas=["gold"]) as audit:
        Task(task_id="task")
        audit.table("silver.flights")


main_job = runpy.run_path(str(Path(sys.argv[1]) / "dags" / "flights_daily.py"))["flights_daily"]()
told = {
    "main_job": edges(main_job),
    "branches": branches(),
    "empty": refusal(empty),
    "nested": refusal(nested),
    "other": refusal(other),
    "one_name": refusal(lambda: audited("gold", schemas="gold")),
}
sys.stdout.write(json.dumps(told))
