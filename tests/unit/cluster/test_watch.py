"""How a release is doing, and when one gives up waiting for it."""

from __future__ import annotations

from typing import Any

import pytest
from lakehold.cluster import follow, trouble, watch
from lakehold.cluster.commands import Cluster
from lakehold.errors import NotRunningError, StartError

CLUSTER = Cluster(context="prod", namespace="data", release="lakehold")


def labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/component": component, "lakehold/process": component}


def deployment(ready: int, *, wanted: int = 1, updated: int | None = None, **status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "lakehold-trino", "generation": 2, "labels": labels("trino")},
        "spec": {"replicas": wanted, "selector": {"matchLabels": labels("trino")}},
        "status": {
            "observedGeneration": 2,
            "readyReplicas": ready,
            "updatedReplicas": ready if updated is None else updated,
            "replicas": wanted,
            **status,
        },
    }


def pod(component: str = "trino", *, main: dict[str, Any] | None = None, first: dict[str, Any] | None = None,
        **more: Any) -> dict[str, Any]:  # fmt: skip
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{component}-1",
            "creationTimestamp": "2026-11-21T12:00:00Z",
            "labels": labels(component),
        },
        "spec": {"containers": [{"name": component}]},
        "status": {
            "phase": "Pending",
            "conditions": more.get("conditions", []),
            "initContainerStatuses": [{"name": "configure", "state": first or {"terminated": {"exitCode": 0}}}],
            "containerStatuses": [
                {"name": component, "ready": False, "restartCount": 0, "state": main or {"running": {}}}
            ],
        },
    }


def job(condition: str = "") -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "often"}]
    return {
        "kind": "Job",
        "metadata": {"name": "lakehold-lineage-migrate-0a1b2c3d", "labels": labels("lineage-setup")},
        "spec": {"selector": {"matchLabels": {"job": "it"}}},
        "status": {"conditions": conditions if condition else []},
    }


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": "Back-off pulling image here/trino:0.2.0"}}


def test_everything_is_ready() -> None:
    assert [part.state for part in watch.parts([job("Complete"), deployment(1)])] == ["ready", "ready"]


@pytest.mark.parametrize(
    ("first", "main", "text"),
    [
        ({"running": {}}, waiting("PodInitializing"), "0 of 1 ready: configure runs"),
        ({"waiting": {"reason": "PodInitializing"}}, None, "0 of 1 ready: configure is about to start"),
        (None, waiting("ContainerCreating"), "0 of 1 ready: trino is about to start"),
        (None, {"running": {}}, "0 of 1 ready: trino runs"),
        ({"terminated": {"exitCode": 3}}, None, "0 of 1 ready: configure ended: exit code 3"),
    ],
)
def test_a_workload_says_which_container_it_waits_for(first: Any, main: Any, text: str) -> None:
    (part,) = watch.parts([deployment(0), pod(first=first, main=main)])
    assert (part.state, part.text, part.reason) == ("busy", text, "")


def test_a_new_version_is_not_ready_because_the_old_one_is() -> None:
    (part,) = watch.parts([deployment(1, updated=0)])
    assert part.state == "busy"
    (unseen,) = watch.parts([deployment(1, observedGeneration=1)])
    assert unseen.state == "busy"


def test_pods_that_may_not_be_made_and_jobs_that_failed_have_failed() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "x" is forbidden: exceeded quota'}
    (part,) = watch.parts([deployment(0, conditions=[refused])])
    assert (part.state, part.text) == ("failed", 'no pod may be made: pods "x" is forbidden: exceeded quota')
    (failed,) = watch.parts([job("Failed")])
    assert (failed.state, failed.text) == ("failed", "BackoffLimitExceeded: often")


def test_pods_of_tasks_and_pods_that_leave_are_nobody_s_delay() -> None:
    leaving = pod(main=waiting("CrashLoopBackOff"))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    (part,) = watch.parts([deployment(0), leaving, pod("airflow-task"), pod("spark-executor")])
    assert part.pod == ""


def test_a_pod_without_a_node_says_why() -> None:
    unscheduled = pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                   "message": "0/1 nodes are available: 1 Insufficient memory."}])  # fmt: skip
    (part,) = watch.parts([deployment(0), unscheduled])
    assert part.reason == "Unschedulable"
    assert "1 Insufficient memory" in part.text


def test_one_gives_up_when_an_image_cannot_be_pulled_however_it_is_said() -> None:
    since: dict[str, tuple[str, float]] = {}
    for at, reason in ((0.0, "ErrImagePull"), (30.0, "ImagePullBackOff"), (59.0, "ErrImagePull")):
        assert follow.given_up(since, watch.parts([deployment(0), pod(main=waiting(reason))]), at) is None
    assert follow.given_up(since, watch.parts([deployment(0), pod(main=waiting("ImagePullBackOff"))]), 61.0) is not None


def test_patience_begins_anew_when_it_got_better_meanwhile() -> None:
    since: dict[str, tuple[str, float]] = {}
    stuck, runs = (watch.parts([deployment(0), pod(main=one)]) for one in (waiting("ErrImagePull"), {"running": {}}))
    for at, parts in ((0.0, stuck), (50.0, runs), (70.0, stuck), (120.0, stuck)):
        assert follow.given_up(since, parts, at) is None


def test_what_failed_is_given_up_at_once() -> None:
    found = follow.given_up({}, watch.parts([job("Failed")]), 0.0)
    assert found is not None
    assert found.kind == "Job"


def test_each_change_is_told_once() -> None:
    said: dict[str, tuple[str, str]] = {}
    parts = watch.parts([deployment(0)])
    assert list(follow.changed(said, parts)) == parts
    assert list(follow.changed(said, parts)) == []
    assert list(follow.changed(said, watch.parts([deployment(1)]))) == watch.parts([deployment(1)])


@pytest.mark.parametrize(
    ("evidence", "advice"),
    [
        ("trino: ImagePullBackOff", "push the images"),
        ("waits for a node: 0/1 nodes are available: 1 Insufficient cpu", "add or free a node"),
        ("FailedScheduling: pod has unbound immediate PersistentVolumeClaims", "kubectl get pvc"),
        ('FailedMount: secret "lakehold-secrets" not found', "give the Secret all keys"),
        ("OOMKilled with exit code 137", "resources.limits.memory"),
        ("something else", "otherwise"),
    ],
)
def test_remedies(evidence: str, advice: str) -> None:
    assert advice in trouble.remedy(evidence, "otherwise")


def test_trouble_is_told_with_the_last_ending_warnings_and_log() -> None:
    sick = pod(main=waiting("CrashLoopBackOff"))
    sick["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    (part,) = watch.parts([deployment(0), sick])
    events = [
        {"reason": "BackOff", "message": "restarting failed container", "lastTimestamp": f"{n}"} for n in range(9)
    ]
    found = trouble.judge(part, sick, events, ["last words"], CLUSTER)
    assert "before that: OOMKilled with exit code 137" in found.text
    assert found.events == ("BackOff: restarting failed container",)
    assert "| last words" in found.why()
    assert "limits.memory" in found.remedy


def test_what_a_pod_waited_for_before_it_started_is_over() -> None:
    (part,) = watch.parts([deployment(0), pod()])
    events = [{"reason": "FailedMount", "message": 'secret "lakehold-secrets" not found', "lastTimestamp": "1"}]
    assert "give the Secret" in trouble.judge(part, pod(), events, [], CLUSTER).remedy
    started = pod()
    started["status"]["containerStatuses"][0]["containerID"] = "containerd://1"
    found = trouble.judge(part, started, events, ["again", "again"], CLUSTER)
    assert (found.events, found.log) == ((), ("again",))


def test_without_a_known_cause_one_is_sent_to_the_logs_of_that_cluster() -> None:
    (part,) = watch.parts([deployment(0), pod()])
    assert trouble.judge(part, pod(), [], [], CLUSTER).remedy.startswith(
        "lakehold logs trino --context prod --namespace data"
    )


class Answers:
    """What the cluster answers, one after the other; the last one from then on."""

    def __init__(self, *answers: Any) -> None:
        self._answers, self.now = list(answers), 0.0

    def __call__(self, _cluster: Cluster) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def followed(monkeypatch: pytest.MonkeyPatch, *answers: Any, seconds: float = 900.0) -> list[str]:
    said = Answers(*answers)
    monkeypatch.setattr(follow, "items", said)
    return [part.text for part in follow.follow(CLUSTER, seconds=seconds, clock=said.clock, sleep=said.sleep)]


GONE = NotRunningError("the cluster does not answer.")


def test_one_follows_until_all_of_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = followed(monkeypatch, [deployment(0), pod()], GONE, [deployment(0), pod()], [deployment(1)])
    assert texts == ["0 of 1 ready: trino runs", "1 of 1 ready"]


def test_a_cluster_that_stays_away_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotRunningError, match="does not answer"):
        followed(monkeypatch, [deployment(0)], GONE)


def test_what_is_not_ready_in_time_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trouble.Trouble(pod="trino-1", text="it runs", events=(), log=("slowly",), remedy="wait")
    monkeypatch.setattr(trouble, "examine", lambda _cluster, _part: found)
    with pytest.raises(StartError, match="It was not ready after 10 s") as raised:
        followed(monkeypatch, [deployment(0), pod()], seconds=10)
    assert "| slowly" in raised.value.why
