"""Sizes this machine cannot run: 50 Trino workers and 1,000 tasks' pods, on nodes that are only objects.

API server, scheduler, controllers and Airflow's executor are real, and so are the chart's objects. What kubelets do is
played: nothing is pulled, mounted, connected or run.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from lakehold.images.recipes import AIRFLOW_ENV
from lakehold.release.pins import LOCKS
from lakehold.release.store import Store
from node.usage import Usage
from real_cluster import Cluster
from simulation import NODE, OWN, RELEASE, Simulation, simulation
from waiting import wait_for

WORKERS, TASKS = 50, 1000
DEPLOYMENT = f"deployment/{RELEASE}-trino-worker"
BUDGET = f"poddisruptionbudget/{RELEASE}-trino-worker"
PYTHON = Store.default().layout.env(AIRFLOW_ENV.name, (LOCKS / f"{AIRFLOW_ENV.name}.txt").read_bytes()) / "bin/python"
Steps = Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def scale(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """Two workers at least, as in production, and 50 at most."""
    with simulation(cluster, tmp_path_factory.mktemp("scale"), f"trino.workers.autoscale.most={WORKERS}") as made:
        yield made


def _all_are_ready(scale: Simulation) -> None:
    wait_for(lambda: len(scale.workers()) == WORKERS, 300, "every worker is ready")


def test_workers_are_placed_apart(scale: Simulation) -> None:
    """No two on a node, and as many in each zone."""
    with scale.cluster.timed(f"{WORKERS} Trino workers placed (simulated)"):
        scale.kubectl("scale", DEPLOYMENT, f"--replicas={WORKERS}")
        _all_are_ready(scale)
    nodes = [pod["spec"]["nodeName"] for pod in scale.workers()]
    assert max(Counter(nodes).values()) == 1
    zones = Counter(node.removeprefix(f"{OWN}-")[0] for node in nodes)
    assert max(zones.values()) - min(zones.values()) <= 1, zones


def _refusal(scale: Simulation, pod: str) -> str:
    """Ask for a pod to be evicted, as `kubectl drain` does; why it is not."""
    wanted = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": OWN}}
    path = f"/api/v1/namespaces/{OWN}/pods/{pod}/eviction"
    done = scale.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(wanted), check=False)
    return done.stderr if done.returncode else ""


def test_a_second_worker_may_not_leave_before_the_first_is_replaced(scale: Simulation) -> None:
    first, second = (pod["metadata"]["name"] for pod in scale.workers()[:2])
    with scale.kubelets.silent():
        assert _refusal(scale, first) == ""
        assert "violate the pod's disruption budget" in _refusal(scale, second)
    _all_are_ready(scale)


@contextmanager
def _watched(scale: Simulation, path: str) -> Iterator[Path]:
    """A file with what the budget says of itself, a line for each change."""
    log = scale.folder / "budget.log"
    words = ("--namespace", OWN, "get", BUDGET, "--watch", "--output", f'jsonpath={path}{{"\\n"}}')
    with log.open("w") as out:
        environment = {**os.environ, "KUBECONFIG": str(scale.cluster.kubeconfig)}
        watch = subprocess.Popen([*scale.cluster.kubectl_command, *words], env=environment, stdout=out)
    try:
        yield log
    finally:
        watch.kill()
        watch.wait()


def test_every_worker_can_be_sent_away_one_at_a_time(scale: Simulation) -> None:
    """As when a cluster's nodes are renewed: at any time all others are there."""
    before = {pod["metadata"]["name"] for pod in scale.workers()}
    with _watched(scale, "{.status.currentHealthy} {.status.desiredHealthy}") as log:
        with scale.cluster.timed(f"{WORKERS} Trino workers evicted, one at a time (simulated)"):
            for name in before:
                wait_for(lambda name=name: _refusal(scale, name) == "", 60, f"{name} may leave")  # type: ignore[misc]
        _all_are_ready(scale)
        assert before.isdisjoint(pod["metadata"]["name"] for pod in scale.workers())
        seen = {tuple(map(int, line.split())) for line in log.read_text(encoding="utf-8").splitlines()}
    assert seen == {(WORKERS, WORKERS - 1), (WORKERS - 1, WORKERS - 1)}


def test_there_are_no_more_workers_than_the_autoscaler_may_have(scale: Simulation) -> None:
    scale.kubectl("scale", DEPLOYMENT, f"--replicas={WORKERS + 5}")

    def taken_back() -> bool:
        return scale.kubectl("get", DEPLOYMENT, "--output", "jsonpath={.spec.replicas}").stdout == str(WORKERS)

    wait_for(taken_back, 120, "the autoscaler takes it back to its maximum")


class Executor:
    """Airflow's, in a process with its own Python (executor_load.py), and how far it has come."""

    def __init__(self, scale: Simulation) -> None:
        self._log, self._steps = scale.folder / "executor.log", scale.folder / "steps.jsonl"
        self._steps.touch()
        command = [str(PYTHON), str(Path(__file__).with_name("executor_load.py")), str(TASKS), str(self._steps)]
        with self._log.open("w") as out:
            environment = scale.airflow(CORE__PARALLELISM=str(TASKS))
            self.process = subprocess.Popen(
                command, env=environment, cwd=scale.folder, stdout=out, stderr=out, start_new_session=True
            )

    def steps(self) -> Steps:
        return {one["step"]: one for one in map(json.loads, self._steps.read_text(encoding="utf-8").splitlines())}

    def has_come_to(self, step: str) -> bool:
        if self.process.poll():
            pytest.fail(self._log.read_text(encoding="utf-8")[-3000:])
        return step in self.steps()

    def end(self) -> None:
        """With the processes it has started, if it has not ended of itself."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def test_the_namespace_takes_no_pod_with_more_rights_than_ours(scale: Simulation) -> None:
    done = scale.kubectl("run", "loose", "--image=example.org/loose:1", "--dry-run=server", check=False)
    assert 'violates PodSecurity "restricted' in done.stderr


def _end_tasks(scale: Simulation) -> None:
    """What all tasks do at their ends: they say so, and their pods end."""
    with closing(sqlite3.connect(scale.database)) as database, database:
        database.execute("update task_instance set state = 'success'")
    scale.kubelets.play("live", "end")


def test_a_thousand_tasks_run_at_the_same_time_and_nothing_is_left_of_them(scale: Simulation) -> None:
    """By Airflow's own executor, with the rights the chart gives it."""
    api_server = Usage(NODE, "kube-apiserver")
    executor = Executor(scale)
    try:
        wait_for(lambda: executor.has_come_to("created"), 1200, "the executor has made a pod of every task")
        wait_for(lambda: scale.tasks("Running") == TASKS, 300, "all of them run")
        ended = time.time()
        _end_tasks(scale)
        wait_for(lambda: executor.has_come_to("ended"), 1200, "the executor has seen them all end")
        assert executor.process.wait(300) == 0
    finally:
        executor.end()
    steps = executor.steps()
    assert steps["ended"]["states"] == {"success": TASKS}
    wait_for(lambda: scale.tasks() == 0, 120, "no pod is left")
    _told(scale.cluster, steps, ended, api_server)


def _told(cluster: Cluster, steps: Steps, ended: float, api_server: Usage) -> None:
    made, gone = steps["created"]["at"] - steps["queued"]["at"], steps["ended"]["at"] - ended
    cluster.times[f"{TASKS} tasks' pods made, {60 * TASKS / made:.0f} a minute (simulated)"] = made
    cluster.times[f"- ended and deleted, {60 * TASKS / gone:.0f} a minute"] = gone
    cluster.times["- CPU of Airflow's executor"] = steps["ended"]["cpu"]
    cluster.times["- of it, the scheduler's loop"] = steps["ended"]["loop"]
    cluster.times["- CPU of the API server"] = api_server.cpu()
    cluster.sizes[f"{TASKS} tasks' pods: Airflow's executor, at most"] = steps["ended"]["memory"]
    cluster.sizes["- before the first of them"] = steps["queued"]["memory"]
    cluster.sizes["- API server, at most"] = api_server.memory()
