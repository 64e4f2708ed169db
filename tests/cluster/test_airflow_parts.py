"""What only a cluster's Airflow does, with the packages its image has, and without a cluster: DAGs from Git, Celery."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lakehold.cluster.declared import example
from lakehold.components import airflow_config, airflow_tasks
from lakehold.components.airflow_worker import AIRFLOW_WORKER
from lakehold.components.model import Git, Site
from lakehold.components.registry import COMPONENTS
from lakehold.images.recipes import AIRFLOW_ENV
from lakehold.pipelines import beat
from lakehold.release.pins import LOCKS
from lakehold.release.store import Store
from waiting import wait_for

pytestmark = pytest.mark.timeout(1800)

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = Store.default().layout.env(AIRFLOW_ENV.name, (LOCKS / f"{AIRFLOW_ENV.name}.txt").read_bytes()) / "bin/python"
BUNDLE = """
import importlib, json, sys
bundle = json.loads(sys.argv[1])
module, _, name = bundle["classpath"].rpartition(".")
made = getattr(importlib.import_module(module), name)(name="git", version=sys.argv[2] or None, **bundle["kwargs"])
made.initialize()
print(json.dumps({"version": made.get_current_version().version, "path": str(made.path), "root": str(made.root)}))
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A pod's site, on this machine."""
    there = example(COMPONENTS)
    pythons = {**there.pythons, "airflow": PYTHON}
    return dataclasses.replace(there, state=tmp_path / "state", checkout=REPOSITORY, pythons=pythons)


def in_pods(site: Site, **changes: Any) -> Site:
    assert site.pods is not None
    return dataclasses.replace(site, pods=dataclasses.replace(site.pods, **changes))


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[str], str]:
    """A repository of DAGs; each call commits another job and returns the commit."""
    folder = tmp_path / "origin"
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(job: str) -> str:
        (folder / "jobs" / "job.py").write_text(job, encoding="utf-8")
        git("add", "--all")
        git("commit", "--quiet", "--message", job)
        return git("rev-parse", "HEAD").strip()

    for room in ("dags", "jobs"):
        (folder / room).mkdir(parents=True)
    (folder / "dags" / "a.py").write_text("", encoding="utf-8")
    git("init", "--quiet", "--initial-branch=main")
    return commit


def test_a_run_keeps_its_commit_and_finds_the_jobs_beside_its_dags(
    site: Site, repository: Callable[[str], str], tmp_path: Path
) -> None:
    told = in_pods(site, git=Git(url=str(tmp_path / "origin"), ref="main", dags="dags", seconds=60))
    (bundle,) = json.loads(str(airflow_config.config(told)["dag_processor"]["dag_bundle_config_list"]))
    connection = json.loads(airflow_tasks.connections(told))[airflow_config.GIT_CONNECTION]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
        f"AIRFLOW_CONN_{airflow_config.GIT_CONNECTION.upper()}": json.dumps(connection),
        "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
    }

    def checked_out(version: str = "") -> dict[str, str]:
        command = [str(PYTHON), "-c", BUNDLE, json.dumps(bundle), version]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found

    first = repository("one = 1")
    assert checked_out()["version"] == first
    second = repository("two = 2")
    newest, kept = checked_out(), checked_out(first)
    assert (newest["version"], kept["version"]) == (second, first)
    for found, job in ((newest, "two = 2"), (kept, "one = 1")):
        assert (Path(found["root"]) / "jobs" / "job.py").read_text(encoding="utf-8") == job
        assert Path(found["path"]) == Path(found["root"]) / "dags"


def test_a_worker_of_celery_starts_without_a_database_and_shows_that_it_lives(site: Site) -> None:
    """Its broker is in its own memory: what it has of a real one is the way it is named."""
    told = dataclasses.replace(in_pods(site, celery=2), secrets={**site.secrets, airflow_config.BROKER: "memory://"})
    for file in AIRFLOW_WORKER.files(told):
        path = told.conf("airflow") / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text.replace("result_backend = ", "result_backend = cache+"), encoding="utf-8")
    told.temporary.mkdir(parents=True)
    (process,) = AIRFLOW_WORKER.processes
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(told.state), **process.environment(told)}
    log = told.state / "worker.log"
    with log.open("w", encoding="utf-8") as out:
        worker = subprocess.Popen(process.command(told), env=environment, cwd=told.state, stdout=out, stderr=out)
    try:
        health = process.health(told)
        question = list(getattr(health, "command", ()))
        assert str(Path(beat.__file__)) in question

        def lives() -> bool:
            assert worker.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            return subprocess.run(question, stdout=subprocess.DEVNULL, check=False).returncode == 0

        wait_for(lives, 900, "the worker's heart beats")
        worker.terminate()
        assert worker.wait(300) == 0
    finally:
        worker.kill()
        worker.wait()
