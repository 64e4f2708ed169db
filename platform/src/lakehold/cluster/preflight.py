"""Whether a cluster can take an installation: each finding says what was looked at and how to mend it; pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakehold.cluster import needs, objects
from lakehold.cluster.facts import Facts, moment
from lakehold.cluster.needs import Size
from lakehold.cluster.objects import Key, Object
from lakehold.errors import Finding

OLDEST = (1, 30)
"""As in ``Chart.yaml``: a container's ``preStop.sleep`` is there by default."""
_ARCHITECTURE = "amd64"
_CLOCK_WARN, _CLOCK_MOST = 30.0, 300.0
"""Seconds. S3 refuses signatures that are 15 minutes off, and Airflow tokens that are not valid yet."""
_SHOWN = 6


def judge(facts: Facts, manifest: Mapping[Key, Object], namespace: str) -> list[Finding]:
    """Judge everything that an installation of this manifest depends on."""
    return [*cluster(facts, manifest, namespace), *_room(facts, manifest)]


def cluster(facts: Facts, manifest: Mapping[Key, Object], namespace: str) -> list[Finding]:
    """Judge what matters to one that is there already as well."""
    return [
        *_version(facts.kubernetes),
        *_namespace(facts, namespace),
        *_rights(facts.denied, namespace),
        *_storage(facts, manifest),
        *_nodes(facts),
        *_names(facts),
        *_secrets(facts, manifest),
        *_clocks(facts),
    ]


def _ok(subject: str, text: str) -> Finding:
    return Finding(subject=subject, level="ok", text=text)


def _warning(subject: str, text: str, remedy: str) -> Finding:
    return Finding(subject=subject, level="warning", text=text, remedy=remedy)


def _problem(subject: str, text: str, remedy: str) -> Finding:
    return Finding(subject=subject, level="problem", text=text, remedy=remedy)


def _unseen(subject: str, what: str) -> Finding:
    """What one has no right to look at is no problem of the cluster."""
    return _warning(subject, f"you may not see {what}, so this was not checked", "ask whoever runs the cluster")


def _version(text: str) -> Iterator[Finding]:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield _problem("kubernetes", text, f"the chart needs Kubernetes {oldest} or newer: upgrade the cluster")
    else:
        yield _ok("kubernetes", text)


def _namespace(facts: Facts, namespace: str) -> Iterator[Finding]:
    if facts.namespace is None:
        yield _unseen("namespace", f"the namespace {namespace}")
        return
    if not facts.namespace:
        yield _ok("namespace", f"{namespace} will be made")
        return
    level = (facts.namespace["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce", "")
    yield _ok("namespace", namespace + (f", Pod Security {level}" if level else ""))


def _rights(denied: Sequence[needs.Right], namespace: str) -> Iterator[Finding]:
    if not denied:
        yield _ok("rights", "you may make everything the chart consists of")
        return
    shown = "; ".join(map(str, denied[:_SHOWN]))
    more = f"; and {len(denied) - _SHOWN} more" if len(denied) > _SHOWN else ""
    advice = f"have them granted in {namespace} (kubectl auth can-i {denied[0]} asks again)"
    yield _problem("rights", f"you may not: {shown}{more}", advice)


def _storage(facts: Facts, manifest: Mapping[Key, Object]) -> Iterator[Finding]:
    wanted = needs.classes(manifest)
    if facts.classes is None:
        yield _unseen("storage", "storage classes")
        return
    there = {one["metadata"]["name"]: one for one in facts.classes["items"]}
    missing = sorted(wanted - set(there) - {""})
    defaults = [name for name, one in there.items() if _is_default(one)]
    if missing:
        advice = f"name one that is there (postgres.storage.class and others): {', '.join(there) or 'there is none'}"
        yield _problem("storage", f"there is no storage class {', '.join(missing)}", advice)
    elif "" in wanted and not defaults:
        values = "postgres.storage.class, objectstore.storage.class, airflow.work.class"
        advice = f"set {values} to one of: {', '.join(there)}"
        yield _problem("storage", "the cluster has no default storage class", advice)
    else:
        yield _ok("storage", f"volumes of class {', '.join(sorted(one or defaults[0] for one in wanted))}")


def _is_default(one: Object) -> bool:
    notes = one["metadata"].get("annotations") or {}
    return bool(notes.get("storageclass.kubernetes.io/is-default-class") == "true")


def usable(facts: Facts) -> list[Object]:
    """Return the nodes that take pods of ours."""
    nodes = (facts.nodes or {"items": []})["items"]
    return [one for one in nodes if not one["spec"].get("unschedulable") and not _tainted(one) and _is_ready(one)]


def _tainted(node: Object) -> bool:
    return any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in node["spec"].get("taints") or [])


def _is_ready(node: Object) -> bool:
    conditions = node["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _nodes(facts: Facts) -> Iterator[Finding]:
    if facts.nodes is None:
        yield _unseen("nodes", "nodes")
        return
    good = usable(facts)
    wrong = [one for one in good if one["status"]["nodeInfo"]["architecture"] != _ARCHITECTURE]
    if not good:
        yield _problem("nodes", "no node is ready and takes pods", "kubectl get nodes shows why")
    elif len(wrong) == len(good):
        yield _problem(
            "nodes", f"no node has the architecture {_ARCHITECTURE}", "add such nodes: the images are for it"
        )
    elif wrong:
        names = ", ".join(one["metadata"]["name"] for one in wrong)
        yield _warning("nodes", f"the images do not run on {names}", f"taint them, or keep to {_ARCHITECTURE} nodes")
    else:
        yield _ok("nodes", f"{len(good)} ready")


def _room(facts: Facts, manifest: Mapping[Key, Object]) -> Iterator[Finding]:
    good = usable(facts)
    if not good:
        return
    wanted, (name, most) = needs.requests(manifest), needs.largest(manifest)
    free = {one["metadata"]["name"]: _free(one, facts) for one in good}
    total = sum(free.values(), Size())
    sees = "" if facts.pods else " (others' pods cannot be seen, and are not counted)"
    text = f"{wanted} are asked for, {total} are free{sees}"
    roomy = max(free.values(), key=lambda one: one.memory)
    advice = "add a node, free one, or lower the requests (…resources.requests in docs/reference/chart.md)"
    if wanted.cores > total.cores or wanted.memory > total.memory:
        yield _problem("room", text, advice)
    elif most.memory > roomy.memory:
        yield _problem("room", f"{name} asks for {most}, and no node has more free than {roomy}", advice)
    else:
        yield _ok("room", text)


def _free(node: Object, facts: Facts) -> Size:
    has = node["status"]["allocatable"]
    name = node["metadata"]["name"]
    used = Size()
    for pod in (facts.pods or {"items": []})["items"]:
        if pod["spec"].get("nodeName") == name:
            used += needs.of_pod(pod)
    cores = objects.quantity(has["cpu"]) - used.cores
    return Size(cores=max(0.0, cores), memory=max(0.0, objects.quantity(has["memory"]) - used.memory))


def _names(facts: Facts) -> Iterator[Finding]:
    if facts.names is None:
        yield _unseen("dns", "the cluster's DNS")
        return
    endpoints = [one for slice_ in facts.names["items"] for one in slice_.get("endpoints") or []]
    ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready", True)]
    if ready:
        yield _ok("dns", f"{len(ready)} ready")
    elif endpoints:
        yield _problem("dns", "none of the cluster's DNS servers is ready", "kubectl --namespace kube-system get pods")
    else:
        text = "no DNS was found under the usual name (kube-dns)"
        yield _warning("dns", text, "make sure that pods can resolve the names of Services")


def _secrets(facts: Facts, manifest: Mapping[Key, Object]) -> Iterator[Finding]:
    yield from _there("secrets", "Secret", needs.secrets(manifest), facts.secrets)
    yield from _there("configmaps", "ConfigMap", needs.config_maps(manifest), facts.config_maps)


def _there(
    subject: str, kind: str, wanted: Mapping[str, set[str]], there: Mapping[str, Mapping[str, Any] | None]
) -> Iterator[Finding]:
    for name, keys in sorted(wanted.items()):
        found = there.get(name)
        missing = sorted(keys - set((found or {}).get("data") or {}))
        if found is None:
            yield _problem(subject, f"the {kind} {name} is not there", "make it; its keys: docs/reference/chart.md")
        elif missing:
            yield _problem(subject, f"the {kind} {name} lacks {', '.join(missing)}", "add these keys to it")
        else:
            yield _ok(subject, f"{name} has all {len(keys)} keys")


def _clocks(facts: Facts) -> Iterator[Finding]:
    off = dict(_skews(facts))
    if not off:
        yield _unseen("clocks", "the cluster's clocks")
        return
    worst = max(off, key=lambda one: abs(off[one]))
    text = f"{worst} is {abs(off[worst]):.0f} s {'ahead' if off[worst] > 0 else 'behind'}"
    if abs(off[worst]) > _CLOCK_MOST:
        yield _problem("clocks", text, "set the clocks (NTP): signatures and tokens would be refused")
    elif abs(off[worst]) > _CLOCK_WARN:
        yield _warning("clocks", text, "set the clocks (NTP)")
    else:
        yield _ok("clocks", f"{', '.join(off)}: together within {max(1.0, abs(off[worst])):.0f} s")


def _skews(facts: Facts) -> Iterator[tuple[str, float]]:
    """Yield seconds that a clock is ahead of the API server's; the server's own, of the clock here."""
    if facts.server_clock is not None:
        yield "the API server", (facts.server_clock - facts.here_clock).total_seconds()
    for lease in (facts.leases or {"items": []})["items"]:
        stamps = [one["time"] for one in lease["metadata"].get("managedFields") or [] if "time" in one]
        renewed = lease["spec"].get("renewTime")
        if stamps and renewed:
            # The node wrote down its own time, and the API server stamped that change with its own.
            yield lease["metadata"]["name"], _between(moment(renewed), max(map(moment, stamps)))


def _between(node: dt.datetime, server: dt.datetime) -> float:
    return (node - server).total_seconds()
