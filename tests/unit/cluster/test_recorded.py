"""What a real cluster (Kubernetes 1.35) said of a trial while it was being installed; shortened."""

from __future__ import annotations

import json
from pathlib import Path

from lakehold.cluster import trouble, watch
from lakehold.cluster.commands import Cluster

STARTING = json.loads((Path(__file__).parent / "recorded" / "starting.json").read_text(encoding="utf-8"))["items"]


def test_each_part_says_where_it_stands() -> None:
    assert {part.name: (part.state, part.text) for part in watch.parts(STARTING)} == {
        "demo-airflow-scheduler": ("busy", "0 of 1 ready: airflow-prepare-done runs"),
        "demo-postgres": ("ready", "1 of 1 ready"),
        "demo-trino": ("busy", "0 of 1 ready: trino runs"),
        "demo-keys-8edef605": ("ready", "done"),
        "demo-lineage-migrate-57a9f946": ("busy", "configure runs"),
    }


def test_nothing_of_it_is_stuck() -> None:
    assert {part.reason for part in watch.parts(STARTING)} == {""}


def test_secrets_that_were_waited_for_are_nobody_s_trouble_any_more() -> None:
    (trino,) = [part for part in watch.parts(STARTING) if part.name == "demo-trino"]
    (pod,) = [one for one in STARTING if one["metadata"]["name"] == trino.pod]
    event = {"reason": "FailedMount", "message": '[secret "demo-secrets" not found, secret "demo-tls" not found]'}
    found = trouble.judge(trino, pod, [event], [], Cluster(context="test", namespace="lake", release="demo"))
    assert found.events == ()
    assert found.remedy.startswith("lakehold logs trino --context test --namespace lake --release demo")
