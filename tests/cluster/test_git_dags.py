"""What only a cluster's Airflow does, with the packages its image has, and without a cluster: DAGs from Git."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lakehold.cluster.declared import example
from lakehold.components import airflow_config, airflow_tasks
from lakehold.components.model import Git, Site
from lakehold.components.registry import COMPONENTS
from lakehold.images.recipes import AIRFLOW_ENV
from lakehold.release.pins import LOCKS
from lakehold.release.store import Store

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
    assert site.pods is not None
    git = Git(url=str(tmp_path / "origin"), ref="main", dags="dags", seconds=60)
    told = dataclasses.replace(site, pods=dataclasses.replace(site.pods, git=git))
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
