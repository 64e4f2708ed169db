"""Whether a cluster can take an installation."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from lakehold.cluster import objects, preflight
from lakehold.cluster.facts import Facts
from lakehold.cluster.needs import Right
from lakehold.errors import Finding
from small_chart import MANIFEST

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
READ = objects.read(MANIFEST)


def node(name: str, memory: str = "8Gi", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": more.get("spec", {}),
        "status": {
            "allocatable": {"cpu": "4", "memory": memory},
            "conditions": [{"type": "Ready", "status": more.get("ready", "True")}],
            "nodeInfo": {"architecture": more.get("architecture", "amd64")},
        },
    }


def lease(renewed: str, stamped: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "node1", "managedFields": [{"time": "2026-11-20T00:00:00Z"}, {"time": stamped}]},
        "spec": {"renewTime": renewed},
    }


GOOD = Facts(
    kubernetes="v1.35.4",
    namespace={"metadata": {"name": "here", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    denied=(),
    classes={
        "items": [
            {"metadata": {"name": "fast"}},
            {"metadata": {"name": "usual", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}},
        ]
    },
    nodes={"items": [node("node1")]},
    pods={"items": []},
    names={"items": [{"endpoints": [{"conditions": {"ready": True}}]}]},
    leases={"items": [lease("2026-11-21T12:00:00.400000Z", "2026-11-21T12:00:00Z")]},
    secrets={"mine": {"data": {"ca.crt": "", "tls.crt": ""}}, "registry": {"data": {}}},
    config_maps={},
    server_clock=NOW,
    here_clock=NOW,
)


def findings(facts: Facts) -> dict[str, Finding]:
    """By subject, the worst of each."""
    order = ["ok", "warning", "problem"]
    found = sorted(preflight.judge(facts, READ, "here"), key=lambda one: order.index(one.level))
    return {one.subject: one for one in found}


def test_a_good_cluster_has_nothing_to_mend() -> None:
    found = findings(GOOD)
    assert {one.level for one in found.values()} == {"ok"}, found
    assert set(found) == {"kubernetes", "namespace", "rights", "storage", "nodes", "room", "dns", "secrets", "clocks"}
    assert "Pod Security restricted" in found["namespace"].text


BUSY = {"spec": {"nodeName": "node1", "containers": [{"resources": {"requests": {"memory": "7.5Gi"}}}]}}


@pytest.mark.parametrize(
    ("change", "subject", "said"),
    [
        ({"kubernetes": "v1.29.3"}, "kubernetes", "v1.29.3"),
        (
            {"denied": (Right(verb="create", group="apps", resource="deployments"),)},
            "rights",
            "create deployments.apps",
        ),
        ({"classes": {"items": []}}, "storage", "no storage class fast"),
        ({"classes": {"items": [{"metadata": {"name": "fast"}}]}}, "storage", "no default storage class"),
        ({"nodes": {"items": [node("n", ready="False")]}}, "nodes", "no node is ready"),
        ({"nodes": {"items": [node("n", spec={"taints": [{"effect": "NoSchedule"}]})]}}, "nodes", "no node is ready"),
        ({"nodes": {"items": [node("n", architecture="arm64")]}}, "nodes", "no node has the architecture amd64"),
        ({"pods": {"items": [BUSY]}}, "room", "0.5 GiB are free"),
        ({"nodes": {"items": [node("a", "900Mi"), node("b", "900Mi")]}}, "room", "a task's pod asks for"),
        ({"names": {"items": [{"endpoints": [{"conditions": {"ready": False}}]}]}}, "dns", "none of"),
        ({"secrets": {"mine": None, "registry": {}}}, "secrets", "the Secret mine is not there"),
        ({"secrets": {"mine": {"data": {"ca.crt": ""}}, "registry": {}}}, "secrets", "mine lacks tls.crt"),
        ({"server_clock": NOW + dt.timedelta(minutes=20)}, "clocks", "the API server is 1200 s ahead"),
        (
            {"leases": {"items": [lease("2026-11-21T11:50:00Z", "2026-11-21T12:00:00Z")]}},
            "clocks",
            "node1 is 600 s behind",
        ),
    ],
)
def test_what_would_not_work_is_a_problem_with_a_remedy(change: dict[str, Any], subject: str, said: str) -> None:
    found = findings(replace(GOOD, **change))[subject]
    assert found.level == "problem"
    assert said in found.text
    assert found.remedy


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"namespace": None}, "namespace"),
        ({"classes": None}, "storage"),
        ({"nodes": None}, "nodes"),
        ({"names": None}, "dns"),
        ({"leases": None, "server_clock": None}, "clocks"),
    ],
)
def test_what_one_may_not_see_is_a_warning(change: dict[str, Any], subject: str) -> None:
    found = findings(replace(GOOD, **change))[subject]
    assert found.level == "warning"
    assert "you may not see" in found.text


def test_a_namespace_that_is_not_there_will_be_made() -> None:
    assert findings(replace(GOOD, namespace={}))["namespace"].text == "here will be made"
