"""Pods are killed one after another while a run is under way; the runs end with the same answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from fingerprints import fingerprints
from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run, TaskState
from real_cluster import Installation, wait_for

pytestmark = pytest.mark.timeout(3600)

DAY = Interval(start=date(2013, 1, 1), end=date(2013, 1, 2))
TASKS = "app.kubernetes.io/component=airflow-task"
NOW = ("--grace-period=0", "--force", "--wait=false")


@dataclass
class Runs:
    """Keeps a run of one day under way: when one has ended, well, another is started."""

    installation: Installation
    current: Run | None = None

    def ensure_under_way(self) -> None:
        """Return while a task is at work."""
        if self.current is None or self.installation.patiently(self._ended):
            wait_for(self._start, 300, "Airflow starts a run")
        wait_for(lambda: bool(self.installation.patiently(self._at_work)), 600, f"a task of {self.current} is at work")

    def end(self) -> None:
        """Wait for the end of the last one."""
        assert self.current is not None
        self.installation.finish(self.current)

    def _start(self) -> bool:
        self.current = self.installation.patiently(lambda airflow: airflow.start("flights_daily", DAY))
        return self.current is not None

    def _ended(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        state = airflow.run(self.current).state
        if state in FINISHED:
            assert state == "success", [(task.name, task.state, task.attempt) for task in airflow.tasks(self.current)]
        return state in FINISHED

    def _at_work(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        return any(task.state == "running" for task in airflow.tasks(self.current))


def _tasks_pods(installation: Installation) -> list[str]:
    found = installation.cluster.objects("pods", "--namespace", installation.namespace, "--selector", TASKS)
    return [pod["metadata"]["name"] for pod in found if pod["status"]["phase"] == "Running"]


def test_every_pod_may_be_killed_during_a_run(day: tuple[Installation, list[TaskState]]) -> None:
    """The runs are of a day that has been run before: killed or not, they change nothing in any table."""
    installation, _ = day
    before = fingerprints(installation)  # type: ignore[arg-type]
    runs = Runs(installation)
    for process in installation.processes():
        runs.ensure_under_way()
        labels = f"app.kubernetes.io/instance={installation.release},lakehold/process={process}"
        old = {pod["metadata"]["uid"] for pod in installation.pods()}
        installation.kubectl("delete", "pods", "--selector", labels, *NOW)

        def replaced(process: str = process, old: set[str] = old) -> bool:
            pods = [one for one in installation.pods() if one["metadata"]["labels"]["lakehold/process"] == process]
            return any(pod["metadata"]["uid"] not in old for pod in pods) and installation.unready() == []

        wait_for(replaced, 600, f"{process} is ready again, and all others are")
    runs.end()
    assert fingerprints(installation) == before  # type: ignore[arg-type]


def test_a_task_s_pod_may_be_killed(day: tuple[Installation, list[TaskState]]) -> None:
    installation, _ = day
    before = fingerprints(installation)  # type: ignore[arg-type]
    runs = Runs(installation)
    killed = 0
    while killed < 3:
        runs.ensure_under_way()
        for name in _tasks_pods(installation)[:1]:
            installation.kubectl("delete", "pod", name, *NOW, check=False)
            killed += 1
    runs.end()
    assert fingerprints(installation) == before  # type: ignore[arg-type]
