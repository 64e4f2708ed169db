"""Uninstall on the real cluster, and install again on the volumes and secrets that were kept."""

from __future__ import annotations

from datetime import date

from fingerprints import fingerprints
from lakehold.pipelines.client import Interval, TaskState
from real_cluster import Installation
from waiting import wait_for

OURS = "app.kubernetes.io/name=lakehold"


def test_what_was_kept_is_found_again(day: tuple[Installation, list[TaskState]]) -> None:
    installation, _ = day
    before, secrets = fingerprints(installation), dict(installation.secrets)
    with installation.cluster.timed("helm uninstall"):
        installation.helm("uninstall", "--wait", "--timeout", "5m")
    own = ("--namespace", installation.namespace)
    kinds = "pods,services,deployments,statefulsets,jobs,configmaps,networkpolicies,roles,rolebindings,serviceaccounts"

    def gone() -> bool:
        return installation.cluster.objects(kinds, *own, "--selector", OURS) == []

    wait_for(gone, 180, "nothing of the release is left but what is to be kept")
    installation.close()
    with installation.cluster.timed("helm install on kept volumes, until every pod is ready"):
        installation.helm("install")
        wait_for(lambda: installation.unready() == [], 300, "every pod is ready")
    del installation.__dict__["secrets"]
    assert dict(installation.secrets) == secrets
    assert fingerprints(installation) == before
    installation.finish(installation.start(Interval(start=date(2013, 1, 1), end=date(2013, 1, 2))))
    assert fingerprints(installation) == before
