"""Upgrade and rollback on the real cluster: what is in the tables stays, and so do passwords."""

from __future__ import annotations

import json
from datetime import date

import pytest
from fingerprints import fingerprints
from lakehold.pipelines.client import Interval, TaskState
from real_cluster import Installation
from waiting import wait_for

pytestmark = pytest.mark.timeout(3600)


def _started(installation: Installation) -> dict[str, set[str]]:
    """Process → the pods that it is."""
    found: dict[str, set[str]] = {}
    for pod in installation.pods():
        found.setdefault(pod["metadata"]["labels"]["lakehold/process"], set()).add(pod["metadata"]["uid"])
    return found


def _settled(installation: Installation) -> None:
    wait_for(lambda: installation.unready() == [], 300, "every pod is ready, and the old ones have gone")


def _secrets(installation: Installation) -> dict[str, str]:
    kept = json.loads(installation.kubectl("get", "secrets", "-o", "json").stdout)["items"]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in kept if one["type"] == "Opaque"}


def test_an_upgrade_that_changes_nothing_starts_nothing_again(installation: Installation) -> None:
    before = _started(installation)
    with installation.cluster.timed("helm upgrade, nothing changed"):
        installation.helm("upgrade")
    _settled(installation)
    assert _started(installation) == before


def test_a_changed_value_arrives_during_a_run_and_can_be_taken_back(
    day: tuple[Installation, list[TaskState]],
) -> None:
    installation, _ = day
    before, secrets = fingerprints(installation), _secrets(installation)
    run = installation.start(Interval(start=date(2013, 1, 1), end=date(2013, 1, 2)))
    with installation.cluster.timed("helm upgrade, a setting changed during a run"):
        installation.helm("upgrade", "--set", "settings.trino.query_max_memory=900MB")
    _settled(installation)
    installation.finish(run)
    assert _limit(installation) == "900MB"
    with installation.cluster.timed("helm rollback"):
        installation.helm("rollback", "--wait", "--wait-for-jobs", "--timeout", "20m")
    _settled(installation)
    assert _limit(installation) == "1GB"
    assert _secrets(installation) == secrets
    assert fingerprints(installation) == before


def _limit(installation: Installation) -> str:
    found = installation.sql("show session like 'query_max_memory'")
    return found[0]["Default"]


def test_an_upgrade_that_cannot_start_leaves_what_serves(installation: Installation) -> None:
    """The new pods never come up; with --atomic all is as it was, and nobody noticed."""
    before = _started(installation)
    done = installation.helm(
        "upgrade", "--atomic", "--timeout", "60s", "--set", "images.platform.tag=there-is-none", check=False
    )
    assert done.returncode != 0
    _settled(installation)
    assert _started(installation)["lineage"] == before["lineage"]
    installation.helm("test", "--timeout", "5m")
