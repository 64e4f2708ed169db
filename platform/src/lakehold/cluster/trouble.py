"""Why a pod hangs and what to do about it: its state, the warnings about it, the end of its log.

What is asked is in :func:`examine`; what it means is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakehold.cluster import tools, watch
from lakehold.cluster.commands import Cluster, container_log, get, warnings
from lakehold.cluster.objects import Object
from lakehold.errors import LakeholdError

LINES = 12
_BEFORE_START = ("FailedMount", "FailedAttachVolume", "FailedScheduling")
"""Warnings that are over once a container has been started: others were waited for, such as the Secrets."""
_EVENTS = 4
_MESSAGE = 300

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"ImagePull|ErrImage|InvalidImageName|pull access denied|not found in registry",
        "push the images (docs/how-to/build-images.md) where images.registry says, or correct images.*;"
        " a registry with a login needs images.pullSecrets",
    ),
    (
        r"unbound immediate PersistentVolumeClaims|waiting for a volume|ProvisioningFailed"
        r"|storageclass\S* .* not found",
        "kubectl get pvc,storageclass shows what the volume waits for; *.storage.class chooses another class",
    ),
    (r"Insufficient (?:cpu|memory)", "add or free a node, or lower …resources.requests (docs/reference/chart.md)"),
    (
        r"untolerated taint|node affinity|node selector",
        "let a node take these pods: kubectl describe nodes shows taints",
    ),
    (r"exceeded quota", "raise the namespace's quota, or lower …resources (docs/reference/chart.md)"),
    (r"violates PodSecurity", "report it: every pod of the chart is meant to satisfy the level restricted"),
    (
        r"secret \"([^\"]+)\" not found|references non-existent secret key",
        "give the Secret all keys (docs/reference/chart.md); where the chart makes it: the log of the Job …-keys",
    ),
    (r"OOMKilled|exit code 137", "raise its …resources.limits.memory (docs/reference/chart.md), then upgrade"),
    (
        r"probe failed: command timed out",
        "its node has too little CPU (kubectl describe nodes): add a node, or stop other work there",
    ),
    (r"No space left on device|Evicted", "free some disk on the node, or enlarge the volume (…storage.size)"),
    (r"[Pp]ermission denied|Operation not permitted", "see who owns the volume: pods run as 10001, group 10001"),
)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A pod that does not get ready."""

    pod: str
    text: str
    events: tuple[str, ...]
    log: tuple[str, ...]
    remedy: str

    def why(self) -> str:
        """Return everything that may say why, a line each."""
        return "\n          ".join([self.text, *self.events, *(f"| {line}" for line in self.log)])


def examine(cluster: Cluster, part: watch.Part) -> Trouble:
    """Look at the pod that keeps a workload or Job from being ready."""
    pod = tools.attempt_json(get(cluster, "pod", part.pod)) if part.pod else None
    events = (tools.attempt_json(warnings(cluster, part.pod or part.name)) or {}).get("items", [])
    log = _log(cluster, pod, part.container) if pod else []
    return judge(part, pod, events, log, cluster)


def _log(cluster: Cluster, pod: Object, container: str) -> list[str]:
    """Return the end of what the container said; before its last start when it has just been started again."""
    name = pod["metadata"]["name"]
    for before in (False, True):
        try:
            text = tools.run(container_log(cluster, name, container, lines=LINES, before=before))
        except LakeholdError:
            continue  # it has not started yet, or not started again
        if lines := [line for line in text.splitlines() if line.strip()]:
            return lines
    return []


def judge(
    part: watch.Part, pod: Object | None, events: Iterable[Object], log: Sequence[str], cluster: Cluster
) -> Trouble:
    """Put together what is known."""
    last = _last_ending(pod, part.container) if pod else ""
    told = tuple(newest(one for one in events if not (_has_started(pod) and one.get("reason") in _BEFORE_START)))
    text = part.text + (f" (before that: {last})" if last else "")
    evidence = "\n".join([text, *told, *log])
    otherwise = f"lakehold logs {part.component.removesuffix('-setup')} {cluster.options}"
    if part.pod:
        otherwise += f", kubectl --context {cluster.context} --namespace {cluster.namespace} describe pod {part.pod}"
    return Trouble(
        pod=part.pod or part.name,
        text=text,
        events=told,
        log=tuple(dict.fromkeys(log[-LINES:])),
        remedy=remedy(evidence, otherwise),
    )


def _has_started(pod: Object | None) -> bool:
    """Whether a container of the pod has been started: then it has its node and its volumes."""
    status = (pod or {}).get("status") or {}
    every = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return any(one.get("containerID") for one in every)


def _last_ending(pod: Object, container: str) -> str:
    status = pod.get("status") or {}
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if one["name"] == container and (ended := (one.get("lastState") or {}).get("terminated")):
            return watch.ending(ended)
    return ""


def newest(events: Iterable[Object]) -> list[str]:
    """Return the last few warnings, each once."""
    ordered = sorted(events, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
    said = [f"{one.get('reason', '')}: {' '.join(one.get('message', '').split())[:_MESSAGE]}" for one in ordered]
    return list(dict.fromkeys(said))[-_EVENTS:]


def remedy(evidence: str, otherwise: str) -> str:
    """Return what mends what the evidence speaks of, else ``otherwise``."""
    return next((advice for pattern, advice in _REMEDIES if re.search(pattern, evidence)), otherwise)
