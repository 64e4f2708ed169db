"""Upgrade and rollback on the real cluster: what is in the tables stays, and so do passwords."""

from __future__ import annotations

import json

import pytest
from fingerprints import fingerprints
from lakehold.cluster.layout import STATE
from lakehold.pipelines.client import TaskState
from lakehold.release.store import Store
from node import layout, machine
from older_image import build_older
from real_cluster import Installation
from runs import Runs


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An image with the PostgreSQL before the pinned one, in the node: its tag and the pin's version."""
    folder = tmp_path_factory.mktemp("older")
    built = build_older("postgres", "postgres-before", folder)
    machine.load(layout.default(), folder / built.archive)
    return {"tag": built.tag, "version": Store.default().pins.artifact("postgres-before").version}


def _started(installation: Installation) -> dict[str, set[str]]:
    """Process → the pods that it is."""
    found: dict[str, set[str]] = {}
    for pod in installation.pods():
        found.setdefault(pod["metadata"]["labels"]["lakehold/process"], set()).add(pod["metadata"]["uid"])
    return found


def _secrets(installation: Installation) -> dict[str, str]:
    kept = json.loads(installation.kubectl("get", "secrets", "-o", "json").stdout)["items"]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in kept if one["type"] == "Opaque"}


def test_an_upgrade_that_changes_nothing_starts_nothing_again(installation: Installation) -> None:
    before = _started(installation)
    with installation.cluster.timed("helm upgrade, nothing changed"):
        installation.helm("upgrade")
    installation.settle()
    assert _started(installation) == before


def test_upgrades_arrive_during_a_run_and_one_can_be_taken_back(
    day: tuple[Installation, list[TaskState]], older: dict[str, str]
) -> None:
    """PostgreSQL to its next release, which takes the database from all that is at work; then a setting of Trino's."""
    installation, _ = day
    before, pinned = fingerprints(installation), Store.default().pins.artifact("postgres").version
    secrets = _secrets(installation)
    installation.helm("upgrade", "--set", f"images.postgres.tag={older['tag']}")
    installation.settle()
    assert _postgres(installation) in older["version"]
    runs = Runs(installation, seconds=600)
    runs.ensure_under_way()
    with installation.cluster.timed("helm upgrade, PostgreSQL to its next release during a run"):
        installation.helm("upgrade")
    installation.settle()
    assert _postgres(installation) in pinned
    runs.ensure_under_way()
    with installation.cluster.timed("helm upgrade, a setting changed during a run"):
        installation.helm("upgrade", "--set", "settings.trino.query_max_memory=900MB")
    installation.settle()
    assert _limit(installation) == "900MB"
    runs.end()
    assert fingerprints(installation) == before
    with installation.cluster.timed("helm rollback"):
        installation.helm("rollback", "--wait", "--wait-for-jobs", "--timeout", "20m")
    installation.settle()
    assert (_limit(installation), _postgres(installation) in pinned) == ("1GB", True)
    assert _secrets(installation) == secrets
    assert fingerprints(installation) == before


def _limit(installation: Installation) -> str:
    """What the Trino that runs was told; it shows nobody this property of a session."""
    read = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).read_text())"
    told = installation.kubectl(
        *("exec", f"deploy/{installation.release}-trino", "--container", "trino", "--"),
        *("/usr/bin/python3.11", "-I", "-S", "-c", read, f"{STATE}/conf/trino/etc/config.properties"),
    )
    return dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)["query.max-memory"]


def _postgres(installation: Installation) -> str:
    """The version that serves."""
    said = installation.kubectl(
        "exec", f"{installation.release}-postgres-0", "--", "/opt/store/postgres/bin/postgres", "--version"
    )
    return said.stdout.split()[-1]


def test_an_upgrade_that_cannot_start_leaves_what_serves(installation: Installation) -> None:
    """The new pods never come up. What may be two serves on; with --atomic the rest comes back by itself."""
    before = _started(installation)
    done = installation.helm(
        "upgrade", "--atomic", "--timeout", "60s", "--set", "images.platform.tag=there-is-none", check=False
    )
    assert done.returncode != 0
    installation.settle()
    assert _started(installation)["lineage"] == before["lineage"]
    installation.helm("test", "--timeout", "5m")
