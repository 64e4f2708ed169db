"""Airflow with Celery on the real cluster: a worker runs the main job, on a broker that is somebody else's."""

from __future__ import annotations

import base64
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from fingerprints import fingerprints
from lakehold.pipelines.client import TaskState
from node import layout
from real_cluster import Installation, Object
from runs import DAY
from waiting import wait_for

PORT = 6379
OUTSIDE = "lakehold-outside"
ON = ("airflow.executor=CeleryExecutor", "airflow.celery.workers.replicas=1", f"secrets.outside={OUTSIDE}")
SMALL = ("airflow.celery.workers.resources.requests.cpu=200m", "airflow.celery.drainSeconds=300")
SETS = tuple(word for one in (*ON, *SMALL) for word in ("--set", one))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis with a password, outside of the cluster; its address, as pods see it."""
    program = shutil.which("redis-server")
    assert program, "there is no redis-server on the PATH: apt-get install redis-server"
    host, password = layout.default().gateway, secrets.token_urlsafe(24)
    conf = tmp_path_factory.mktemp("redis") / "redis.conf"
    conf.write_text(f'bind {host}\nport {PORT}\nrequirepass {password}\nsave ""\ndir {conf.parent}\n', encoding="utf-8")
    conf.chmod(0o600)
    with (conf.parent / "redis.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen([program, str(conf)], stdout=log, stderr=log)
    try:

        def listens() -> bool:
            assert process.poll() is None, (conf.parent / "redis.log").read_text(encoding="utf-8")
            with socket.socket() as one:
                return one.connect_ex((host, PORT)) == 0

        wait_for(listens, 30, "the broker listens")
        yield f"redis://:{password}@{host}:{PORT}/0"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def celery(day: tuple[Installation, list[TaskState]], broker: str) -> Iterator[Installation]:
    """The installation with a worker of Celery's, and afterwards without."""
    installation, _ = day
    key = {"celery.broker": base64.b64encode(broker.encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OUTSIDE}, "type": "Opaque", "data": key}
    installation.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(secret))
    with installation.cluster.timed("helm upgrade, Celery's worker instead of a pod for each task"):
        installation.helm("upgrade", *SETS)
    installation.settle()
    yield installation
    installation.helm("upgrade")
    installation.settle()
    installation.kubectl("delete", "secret", OUTSIDE)


def _of(installation: Installation, component: str) -> list[Object]:
    labels = f"app.kubernetes.io/instance={installation.release},app.kubernetes.io/component={component}"
    return installation.cluster.objects("pods", "--namespace", installation.namespace, "--selector", labels)


def test_a_worker_that_is_told_to_end_finishes_its_task_and_another_goes_on(celery: Installation) -> None:
    before = fingerprints(celery)
    run = celery.start(DAY)

    def at_work() -> dict[str, int]:
        tasks = celery.patiently(lambda airflow: airflow.tasks(run)) or []
        return {task.name: task.attempt for task in tasks if task.state == "running"}

    wait_for(lambda: bool(at_work()), 300, "a task is at work")
    begun = at_work()
    [worker] = _of(celery, "airflow-worker")
    celery.kubectl("delete", "pod", worker["metadata"]["name"], "--wait=false")
    tasks = celery.finish(run)
    assert len(tasks) > 5
    assert {task.name for task in tasks if task.state != "success"} == set()
    assert begun.items() <= {task.name: task.attempt for task in tasks}.items()
    assert worker["metadata"]["uid"] not in {pod["metadata"]["uid"] for pod in _of(celery, "airflow-worker")}
    assert _of(celery, "airflow-task") == []
    assert fingerprints(celery) == before
