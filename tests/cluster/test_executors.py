"""Spark's executors as pods on the real cluster: they belong to the pod of their task, and end with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fingerprints import fingerprints
from lakehold.pipelines.client import TaskState
from real_cluster import Installation, Object
from runs import DAY
from waiting import wait_for

pytestmark = pytest.mark.timeout(3600)

ONE = ("--set", "spark.executors=1", "--set", "spark.executor.cores=1", "--set", "spark.executor.cpu.request=100m")
SCHEDULER = "deployment/demo-airflow-scheduler"


@pytest.fixture(scope="module")
def executors(day: tuple[Installation, list[TaskState]]) -> Iterator[Installation]:
    """The installation with an executor for each Spark task, and afterwards without."""
    installation, _ = day
    installation.helm("upgrade", *ONE)
    _starts_what_is_written_now(installation)
    yield installation
    installation.helm("upgrade")
    _starts_what_is_written_now(installation)


def _starts_what_is_written_now(installation: Installation) -> None:
    """A kubelet takes a minute to tell the scheduler of another template; one that starts is told at once."""
    installation.kubectl("rollout", "restart", SCHEDULER)
    installation.kubectl("rollout", "status", SCHEDULER, "--timeout=10m")
    wait_for(lambda: installation.unready() == [], 300, "every pod is ready")


def _of(installation: Installation, component: str) -> list[Object]:
    labels = f"app.kubernetes.io/component={component}"
    return installation.cluster.objects("pods", "--namespace", installation.namespace, "--selector", labels)


def _running(installation: Installation) -> list[Object]:
    return [pod for pod in _of(installation, "spark-executor") if pod["status"]["phase"] == "Running"]


def test_a_task_s_executors_belong_to_its_pod_and_a_killed_driver_leaves_none(executors: Installation) -> None:
    before = fingerprints(executors)
    run = executors.start(DAY)
    wait_for(lambda: bool(_running(executors)), 900, "an executor runs")
    executor = _running(executors)[0]
    (owner,) = executor["metadata"]["ownerReferences"]
    [driver] = [pod for pod in _of(executors, "airflow-task") if pod["metadata"]["uid"] == owner["uid"]]
    assert driver["metadata"]["name"] == owner["name"]
    executors.kubectl("delete", "pod", owner["name"], "--grace-period=1", "--wait=false")

    def gone() -> bool:
        return executor["metadata"]["uid"] not in {pod["metadata"]["uid"] for pod in _of(executors, "spark-executor")}

    wait_for(gone, 120, "the executor has gone with its driver")
    attempts = {task.name: task.attempt for task in executors.finish(run)}
    killed = driver["metadata"]["labels"]
    assert attempts[killed["task_id"]] > int(killed["try_number"])
    assert fingerprints(executors) == before
    wait_for(lambda: _of(executors, "spark-executor") == [], 120, "no executor is left of a run that has ended")
