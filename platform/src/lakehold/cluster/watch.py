"""How a release is doing, by its objects as kubectl prints them: its workloads, its Jobs, its pods; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehold.cluster import objects
from lakehold.cluster.commands import COMPONENT, PASSING
from lakehold.cluster.objects import Object

KINDS = "deployments,statefulsets,jobs,pods"
"""What there is to watch."""
READY, BUSY, FAILED = "ready", "busy", "failed"
STUCK = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "Unschedulable",
    }
)  # fmt: skip
"""Reasons that do not pass by themselves, or seldom."""
_MESSAGE = 160


@dataclass(frozen=True, kw_only=True)
class Part:
    """A workload or a Job: whether it is ready, and where it stands; ``reason`` is one of :data:`STUCK`, or empty."""

    name: str
    kind: str
    component: str
    state: str
    text: str
    reason: str = ""
    pod: str = ""
    """The pod that keeps it from being ready; empty where there is none."""
    container: str = ""


def parts(items: Iterable[Object]) -> list[Part]:
    """Return every workload and Job, Jobs last; Airflow's task pods are none of them."""
    everything = list(items)
    pods = [one for one in everything if one["kind"] == "Pod" and not _leaves(one)]
    found = [_workload(one, _of(one, pods)) for one in everything if one["kind"] in objects.WORKLOADS]
    found += [_job(one, _of(one, pods)) for one in everything if one["kind"] == "Job"]
    return sorted(found, key=lambda part: (part.kind == "Job", part.name))


def pods(items: Iterable[Object]) -> list[Object]:
    """Return the pods of workloads and Jobs."""
    return [one for one in items if one["kind"] == "Pod" and component(one) not in PASSING]


def component(one: Object) -> str:
    """Return the component that an object belongs to."""
    return str((one["metadata"].get("labels") or {}).get(COMPONENT, ""))


def _leaves(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"] or component(pod) in PASSING


def _of(owner: Object, candidates: Sequence[Object]) -> list[Object]:
    """Return the owner's pods, the newest first."""
    wanted = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    found = [pod for pod in candidates if wanted and wanted.items() <= (pod["metadata"].get("labels") or {}).items()]
    return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)


def _workload(one: Object, own: Sequence[Object]) -> Part:
    status, wanted = one.get("status") or {}, int(one["spec"].get("replicas", 1))
    ready = min(int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0)))
    seen = status.get("observedGeneration", 0) >= one["metadata"].get("generation", 1)
    extra = int(status.get("replicas", 0)) - wanted
    if seen and ready >= wanted and extra <= 0:
        return _part(one, READY, f"{ready} of {wanted} ready")
    refused = [c["message"] for c in status.get("conditions") or [] if c["type"] == "ReplicaFailure"]
    if refused:
        return _part(one, FAILED, f"no pod may be made: {refused[0]}")
    waiting = next((pod for pod in own if not is_ready(pod)), None)
    if waiting is None:
        return _part(one, BUSY, f"{ready} of {wanted} ready")
    stage = stage_of(waiting)
    return _part(one, BUSY, f"{ready} of {wanted} ready: {stage.text}", waiting, stage)


def _job(one: Object, own: Sequence[Object]) -> Part:
    conditions = {c["type"]: c for c in (one.get("status") or {}).get("conditions") or [] if c["status"] == "True"}
    if "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        return _part(one, READY, "done")
    last = own[0] if own else None
    if failed := conditions.get("Failed") or conditions.get("FailureTarget"):
        return _part(one, FAILED, f"{failed.get('reason', '')}: {failed.get('message', '')}", last)
    if last is None:
        return _part(one, BUSY, "no pod yet")
    stage = stage_of(last)
    # To Kubernetes a pod at work is ready.
    text = f"{_last_container(last)} runs" if is_ready(last) else stage.text
    return _part(one, BUSY, text, last, stage)


def _part(one: Object, state: str, text: str, pod: Object | None = None, stage: Stage | None = None) -> Part:
    return Part(
        name=one["metadata"]["name"],
        kind=one["kind"],
        component=component(one),
        state=state,
        text=text,
        reason=stage.reason if stage else "",
        pod=pod["metadata"]["name"] if pod else "",
        container=stage.container if stage else (_last_container(pod) if pod else ""),
    )


def _last_container(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["name"])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a pod stands: which container it is about, and the reason if it is one of :data:`STUCK`."""

    text: str
    container: str = ""
    reason: str = ""


def is_ready(pod: Object) -> bool:
    """Whether the pod is ready, or has done what it was for."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready or (pod.get("status") or {}).get("phase") == "Succeeded"


def stage_of(pod: Object) -> Stage:
    """Say where a pod stands: what it waits for, or which of its containers runs."""
    if "deletionTimestamp" in pod["metadata"]:
        return Stage(text="is stopping")
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason = condition.get("reason", "")
            text = f"waits for a node: {_cut(condition.get('message', ''))}"
            return Stage(text=text, reason=reason if reason in STUCK else "")
    for one in _unfinished(status):
        return _container_stage(one)
    if status.get("phase") in ("Failed", "Succeeded"):
        return Stage(text=f"{status['phase'].lower()} {status.get('reason', '')}".strip())
    return Stage(text="ready" if is_ready(pod) else "is being started")


def _unfinished(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in status.get("initContainerStatuses") or []:
        if (one["state"].get("terminated") or {}).get("exitCode") != 0:
            yield one
    for one in status.get("containerStatuses") or []:
        if not one.get("ready") and (one["state"].get("terminated") or {}).get("exitCode") != 0:
            yield one


def _container_stage(one: Mapping[str, Any]) -> Stage:
    name, state = one["name"], one["state"]
    if waiting := state.get("waiting"):
        reason = waiting.get("reason", "")
        if reason in STUCK:
            message = waiting.get("message", "")
            return Stage(text=f"{name}: {reason} {_cut(message)}".strip(), container=name, reason=reason)
        return Stage(text=f"{name} is about to start", container=name)
    if ended := state.get("terminated"):
        return Stage(text=f"{name} ended: {ending(ended)}", container=name)
    again = f" (started {one['restartCount'] + 1} times)" if one.get("restartCount") else ""
    return Stage(text=f"{name} runs{again}", container=name)


def ending(terminated: Mapping[str, Any]) -> str:
    """Say how a container ended."""
    reason, code = terminated.get("reason", ""), terminated.get("exitCode")
    return f"{reason} with exit code {code}" if reason not in ("", "Error") else f"exit code {code}"


def _cut(text: str) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _MESSAGE else line[: _MESSAGE - 1] + "…"
