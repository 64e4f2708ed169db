"""The verbs for clusters on the real installation."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from lakehold.cluster import reach, tools
from real_cluster import Installation

Verb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def programs(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a verb: which cluster, and the programs that speak to it."""
    cluster, path = installation.cluster, tmp_path_factory.mktemp("programs") / "kubectl"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(cluster.kubectl_command)} "$@"\n', encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    own = {"KUBECONFIG": str(cluster.kubeconfig), "KUBECTL": str(path), "HELM": cluster.helm_command[0]}
    return {**os.environ, **own, "COLUMNS": "400"}


@pytest.fixture(scope="session")
def context(installation: Installation) -> str:
    return installation.kubectl("config", "current-context").stdout.strip()


@pytest.fixture(scope="session")
def verb(installation: Installation, programs: dict[str, str], context: str) -> Verb:
    """`lakehold VERB …` for this installation; it has to exit with ``code``."""

    def run(name: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        where = ["--context", context, "--namespace", installation.namespace, "--release", installation.release]
        command = [sys.executable, "-m", "lakehold.cli.main", name, *where, *words]
        done = subprocess.run(command, env=programs, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{name} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def revision(installation: Installation) -> int:
    listed = installation.helm("history", "--output", "json").stdout
    return max(int(one["revision"]) for one in json.loads(listed))


def test_all_of_it_is_healthy(verb: Verb) -> None:
    found = json.loads(verb("status", "--json").stdout)
    assert found["healthy"]
    assert {pod["component"] for pod in found["pods"]} >= {"postgres", "objectstore", "lineage", "trino", "airflow"}


def test_the_doctor_finds_no_problem(verb: Verb) -> None:
    findings = json.loads(verb("doctor", "--json").stdout)
    assert {one["subject"] for one in findings} >= {"rights", "storage", "dns", "clocks", "release", "certificate"}
    assert [one for one in findings if one["level"] == "problem"] == []


def test_trino_is_asked_through_a_tunnel(verb: Verb) -> None:
    answer = verb("sql", "--format", "csv", "select 1 as n").stdout
    assert answer.splitlines() == ["n", "1"]


def test_logs_of_a_task_are_found_by_its_name(verb: Verb, installation: Installation) -> None:
    lines = verb("logs", "lineage-migrate").stdout.splitlines()
    assert lines
    assert all(line.startswith(f"[pod/{installation.release}-lineage-migrate-") for line in lines)


def test_a_second_installation_of_the_same_name_is_refused(verb: Verb) -> None:
    assert "is installed in" in verb("install", code=3).stderr


def test_a_plan_tells_what_starts_again_and_changes_nothing(verb: Verb, installation: Installation) -> None:
    before = revision(installation)
    told = verb("upgrade", "--plan", "--set", "trino.resources.limits.memory=4000Mi").stdout
    (restart,) = [line for line in told.split("Starts again\n")[1].splitlines() if line.strip()]
    assert f"Deployment/{installation.release}-trino: trino.resources.limits.memory" in restart
    assert revision(installation) == before


def test_a_claim_s_size_is_refused_before_anything_is_changed(verb: Verb, installation: Installation) -> None:
    before = revision(installation)
    assert "Kubernetes would refuse" in verb("upgrade", "--set", "postgres.storage.size=9Gi", code=3).stderr
    assert revision(installation) == before


def test_an_upgrade_that_would_wait_for_a_secret_is_refused_before_anything_is_changed(
    verb: Verb, installation: Installation
) -> None:
    before = revision(installation)
    refused = verb("upgrade", "--set", "secrets.existingSecret=nobodys", code=5)
    assert "the Secret nobodys is not there" in refused.stdout
    assert "nothing was changed" in refused.stderr
    assert revision(installation) == before


@contextmanager
def newer_migration(installation: Installation, programs: dict[str, str], context: str) -> Iterator[None]:
    """A migration in the lineage database that no version knows yet."""
    named = {name: programs[name] for name in ("KUBECTL", "HELM")}
    cluster = tools.find(context, installation.namespace, installation.release, environ=named)
    with reach.reached(cluster, Path(), ["postgres"]) as site:
        address = {"host": "127.0.0.1", "port": site.ports["postgres"], "dbname": "lineage", "user": "lineage"}
        with closing(
            psycopg.connect(**address, password=site.secrets["postgres.lineage"], autocommit=True)
        ) as database:
            database.execute("INSERT INTO migration (number, name, sha256) VALUES (9999, '9999_newer.sql', 'x')")
            try:
                yield
            finally:
                database.execute("DELETE FROM migration WHERE number = 9999")


def test_a_rollback_below_what_the_database_was_migrated_to_is_refused(
    verb: Verb, installation: Installation, programs: dict[str, str], context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", programs["KUBECONFIG"])
    installation.helm("upgrade")
    before = revision(installation)
    with newer_migration(installation, programs, context):
        refused = verb("rollback", code=5)
    assert "9999" in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert revision(installation) == before
    assert "it can work with what is there" in verb("rollback", "--plan").stderr
    assert [
        pod for pod in installation.kubectl("get", "pods", "--output", "name").stdout.split() if "-fits-" in pod
    ] == []
