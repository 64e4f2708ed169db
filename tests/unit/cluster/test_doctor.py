"""What is looked at of a release, and how its pods are listed."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import pytest
from lakehold.cluster import doctor, status
from lakehold.cluster.commands import Cluster
from lakehold.components import certificates

CLUSTER = Cluster(context="prod", namespace="data", release="mine")
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
POD = {
    "metadata": {"name": "mine-trino-1", "labels": {"app.kubernetes.io/component": "trino"}},
    "spec": {"nodeName": "node1"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "trino",
                "ready": True,
                "restartCount": 1,
                "state": {"running": {"startedAt": "2026-11-21T11:59:00Z"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        ],
    },
}


@pytest.mark.parametrize(
    ("state", "level"), [("deployed", "ok"), ("failed", "problem"), ("pending-upgrade", "warning")]
)
def test_a_change_that_did_not_end_well_is_a_problem(state: str, level: str) -> None:
    found = doctor.check_release({"chart": "lakehold-0.1.0", "revision": "2", "status": state}, CLUSTER)
    assert found.level == level
    assert ("--release mine" in found.remedy) == (level != "ok")


def certificate(days: int) -> str:
    key = certificates.new_key()
    # A server's certificate is good for 825 days.
    begin = NOW - dt.timedelta(days=825 - days)
    authority = certificates.authority(key, begin)
    made = certificates.server(certificates.new_key(), authority, key, ["mine-trino"], begin)
    return base64.b64encode(certificates.pem(made).encode()).decode()


@pytest.mark.parametrize(("days", "level"), [(800, "ok"), (30, "warning"), (-1, "problem")])
def test_a_certificate_is_looked_at_before_it_ends(days: int, level: str) -> None:
    assert doctor.check_certificate(certificate(days), NOW, CLUSTER).level == level


@pytest.mark.parametrize(("encoded", "level"), [(None, "warning"), ("bm90IG9uZQ==", "problem"), ("?", "problem")])
def test_a_certificate_that_cannot_be_read(encoded: str | None, level: str) -> None:
    assert doctor.check_certificate(encoded, NOW, CLUSTER).level == level


def test_a_claim_without_a_volume_is_a_problem() -> None:
    bound, pending = ({"metadata": {"name": name}, "status": {"phase": name}} for name in ("Bound", "Pending"))
    assert [one.level for one in doctor.check_volumes([bound])] == ["ok"]
    (found,) = doctor.check_volumes([bound, pending])
    assert (found.level, found.text) == ("problem", "without a volume: Pending")


def test_a_process_that_ran_out_of_memory_is_told_once_is_enough() -> None:
    (found,) = doctor.check_restarts([POD])
    assert "OOMKilled with exit code 137" in found.text
    assert "limits.memory" in found.remedy


def test_other_restarts_count_when_there_are_many() -> None:
    ended = {"reason": "Error", "exitCode": 1}
    pods: list[dict[str, Any]] = [
        {
            "metadata": {"name": f"p{n}"},
            "status": {"containerStatuses": [{"name": "c", "restartCount": n, "lastState": {"terminated": ended}}]},
        }
        for n in (1, 9)
    ]
    assert [one.subject for one in doctor.check_restarts(pods)] == ["p9"]


def test_a_pod_s_entry() -> None:
    measured = status.memory({"items": [{"metadata": {"name": "mine-trino-1"}, "containers": [
        {"usage": {"memory": "1Gi"}}, {"usage": {"memory": "1Mi"}},
    ]}]})  # fmt: skip
    found = status.entry(POD, measured, NOW)
    assert (found.component, found.healthy, found.text, found.node) == ("trino", True, "ready", "node1")
    assert (found.memory, found.restarts, found.uptime) == ((1 << 30) + (1 << 20), 1, 60)
