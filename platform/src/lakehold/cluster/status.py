"""What of a release runs, and how well: one entry a pod; pure but for :func:`collect`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lakehold.cluster import follow, objects, tools, watch
from lakehold.cluster.commands import Cluster, listed, metrics
from lakehold.cluster.facts import moment
from lakehold.cluster.objects import Object
from lakehold.errors import NotRunningError


@dataclass(frozen=True, kw_only=True)
class PodStatus:
    """One pod; ``memory`` in bytes, ``None`` where the cluster does not measure it."""

    component: str
    pod: str
    healthy: bool
    text: str
    node: str
    memory: int | None
    restarts: int
    uptime: int | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The release, its parts and their pods."""

    release: Mapping[str, Any]
    parts: Sequence[watch.Part]
    pods: Sequence[PodStatus]

    @property
    def sick(self) -> list[watch.Part]:
        """What is not ready."""
        return [part for part in self.parts if part.state != watch.READY]

    @property
    def healthy(self) -> bool:
        """Whether there is something, and all of it is ready."""
        return bool(self.parts) and not self.sick

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        pods = [asdict(pod) for pod in self.pods]
        return {"healthy": self.healthy, "release": dict(self.release), "pods": pods}


def collect(cluster: Cluster) -> Status:
    """Look at everything; :class:`NotRunningError` when there is no such release."""
    found = release(cluster)
    items = follow.items(cluster)
    measured = memory(tools.attempt_json(metrics(cluster)) or {})
    now = dt.datetime.now(dt.UTC)
    pods = [entry(pod, measured, now) for pod in watch.pods(items) if not _done(pod)]
    return Status(release=found, parts=watch.parts(items), pods=sorted(pods, key=lambda pod: (pod.component, pod.pod)))


def release(cluster: Cluster) -> dict[str, Any]:
    """Return name, revision, status and chart of the release."""
    for one in tools.run_json(listed(cluster)) or []:
        found: dict[str, Any] = one
        return found
    raise NotRunningError(
        f"there is no release {cluster.release} in the namespace {cluster.namespace} of {cluster.context}.",
        remedy=f"lakehold install {cluster.options}, or name another: --namespace, --release",
    )


def _done(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def entry(pod: Object, measured: Mapping[str, int], now: dt.datetime) -> PodStatus:
    """Describe a pod."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    main = [one for one in status.get("containerStatuses") or [] if (one.get("state") or {}).get("running")]
    began = min((moment(one["state"]["running"]["startedAt"]) for one in main), default=None)
    return PodStatus(
        component=watch.component(pod),
        pod=name,
        healthy=watch.is_ready(pod),
        text="ready" if watch.is_ready(pod) else watch.stage_of(pod).text,
        node=pod["spec"].get("nodeName", ""),
        memory=measured.get(name),
        restarts=sum(int(one.get("restartCount", 0)) for one in status.get("containerStatuses") or []),
        uptime=int((now - began).total_seconds()) if began else None,
    )


def memory(answer: Mapping[str, Any]) -> dict[str, int]:
    """Return pod → bytes of all of its containers."""
    return {
        one["metadata"]["name"]: int(sum(objects.quantity(part["usage"]["memory"]) for part in one["containers"]))
        for one in answer.get("items") or []
    }
