"""Pods are killed one after another while a run is under way; the runs end with the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fingerprints import fingerprints
from lakehold.pipelines.client import TaskState
from real_cluster import Installation, Object
from runs import Runs
from waiting import wait_for

TASKS = "app.kubernetes.io/component=airflow-task"
NOW = ("--grace-period=1", "--wait=false")
"""Killed a second after it was told. (A pod that is taken from the API by force may meet the one that follows it.)"""
_JAVA = """
import pathlib, sys
sys.exit(not any(one.read_text().startswith("java") for one in pathlib.Path("/proc").glob("[0-9]*/comm")))
"""


def _at_work(installation: Installation, task: str = "") -> list[Object]:
    """The pods of tasks, or of one, that are at work."""
    labels = ",".join([TASKS, *([f"task_id={task}"] if task else [])])
    found = installation.cluster.objects("pods", "--namespace", installation.namespace, "--selector", labels)
    return [pod for pod in found if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]


def _is_driver(installation: Installation, pod: Object) -> bool:
    """Whether Spark has been started in a task's pod."""
    asked = ("--container", "base", "--", "/usr/bin/python3.11", "-I", "-S", "-c", _JAVA)
    return installation.kubectl("exec", pod["metadata"]["name"], *asked, check=False).returncode == 0


@pytest.fixture(scope="module")
def runs(day: tuple[Installation, list[TaskState]]) -> Iterator[Runs]:
    """Runs of a day that has been run before: whatever is killed, they end well and change nothing in any table."""
    installation, _ = day
    before = fingerprints(installation)
    runs = Runs(installation, seconds=600)
    yield runs
    runs.end()
    assert fingerprints(installation) == before


def _killed_driver(installation: Installation, task: str) -> int:
    """Kill the driver of a task; which attempt at it that was, and 0 while there is none."""
    for pod in _at_work(installation, task):
        words = ("delete", "pod", pod["metadata"]["name"], *NOW)
        if _is_driver(installation, pod) and installation.kubectl(*words, check=False).returncode == 0:
            return int(pod["metadata"]["labels"]["try_number"])
    return 0


@pytest.mark.parametrize("task", ["bronze.load", "silver.join"])
def test_a_spark_driver_may_be_killed(installation: Installation, runs: Runs, task: str) -> None:
    """It is in its task's pod, and begins again."""
    killed = 0

    def found() -> bool:
        nonlocal killed
        runs.ensure_under_way()
        killed = _killed_driver(installation, task)
        return killed > 0

    wait_for(found, 900, f"{task} has a driver, which is killed")
    wait_for(lambda: (runs.attempt(task) or 0) > killed, 300, f"{task} begins again")


def test_a_task_s_pod_may_be_killed(installation: Installation, runs: Runs) -> None:
    killed = 0
    while killed < 3:
        runs.ensure_under_way()
        for pod in _at_work(installation)[:1]:
            installation.kubectl("delete", "pod", pod["metadata"]["name"], *NOW, check=False)
            killed += 1


def test_every_pod_may_be_killed_during_a_run(installation: Installation, runs: Runs) -> None:
    for process in installation.processes():
        runs.ensure_under_way()
        labels = f"app.kubernetes.io/instance={installation.release},lakehold/process={process}"
        old = {pod["metadata"]["uid"] for pod in installation.pods()}
        installation.kubectl("delete", "pods", "--selector", labels, *NOW)

        def replaced(process: str = process, old: set[str] = old) -> bool:
            pods = [one for one in installation.pods() if one["metadata"]["labels"]["lakehold/process"] == process]
            return any(pod["metadata"]["uid"] not in old for pod in pods) and installation.unready() == []

        with installation.cluster.timed(f"{process} killed during a run, until every pod is ready"):
            wait_for(replaced, 600, f"{process} is ready again, and all others are")
        # The way through kubectl leads to a pod that is gone.
        installation.close()
