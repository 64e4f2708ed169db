"""Examine an installation in a cluster: the cluster itself, the release, its certificate, its volumes, every pod."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cryptography import x509

from lakehold.cluster import facts, follow, objects, preflight, reach, status, tools, trouble, watch
from lakehold.cluster.commands import Cluster, get, manifest, of_release
from lakehold.cluster.objects import Object
from lakehold.components import certificates
from lakehold.errors import Finding

_RESTARTS = 3
"""A process that was started again more often than this does not do so by chance."""


def examine(cluster: Cluster) -> list[Finding]:
    """Look at everything; what is wrong is reported, and only a release or cluster that is not there is an error."""
    release = status.release(cluster)
    installed = objects.read(tools.run(manifest(cluster)))
    asked = facts.gather(cluster, installed, facts.version(cluster))
    items = follow.items(cluster)
    return [
        *preflight.cluster(asked, installed, cluster.namespace),
        check_release(release, cluster),
        check_certificate(_certificate(cluster), dt.datetime.now(dt.UTC), cluster),
        *check_volumes(tools.run_json(of_release(cluster, "persistentvolumeclaims"))["items"]),
        *_parts(cluster, watch.parts(items)),
        *check_restarts(watch.pods(items)),
    ]


def check_release(release: Mapping[str, Any], cluster: Cluster) -> Finding:
    """Look whether the last installation, upgrade or rollback came to its end."""
    text = f"{release['chart']}, revision {release['revision']}, {release['status']}"
    if release["status"] == "deployed":
        return Finding(subject="release", level="ok", text=text)
    if release["status"].startswith("pending-"):
        advice = f"wait for whoever does it; if it was interrupted: lakehold rollback {cluster.options}"
        return Finding(subject="release", level="warning", text=f"{text}: under way, or interrupted", remedy=advice)
    advice = f"lakehold upgrade {cluster.options}, or back to what was: lakehold rollback {cluster.options}"
    return Finding(subject="release", level="problem", text=text, remedy=advice)


def _certificate(cluster: Cluster) -> str | None:
    """Return the certificate Trino shows, base64 of its PEM; ``None`` where it may not be read."""
    _, name = reach.mounted(tools.run_json(of_release(cluster, "deployments"))["items"])
    found = tools.attempt_json(get(cluster, "secret", name)) if name else None
    return ((found or {}).get("data") or {}).get("tls.crt")


def check_certificate(encoded: str | None, now: dt.datetime, cluster: Cluster) -> Finding:
    """Look whether it is good for some time."""
    if encoded is None:
        text = "it is not there, or you may not read its Secret"
        return Finding(subject="certificate", level="warning", text=text, remedy="kubectl get secret shows which")
    try:
        found = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except (ValueError, binascii.Error) as error:
        advice = "put a certificate in PEM into the Secret's tls.crt, then restart Trino"
        return Finding(subject="certificate", level="problem", text=f"it cannot be read: {error}", remedy=advice)
    days = (found.not_valid_after_utc - now).days
    if certificates.lasts(found, now):
        return Finding(subject="certificate", level="ok", text=f"good for {days} days")
    advice = f"lakehold upgrade {cluster.options} renews one that the chart made; another you renew; then restart Trino"
    level = "warning" if days > 0 else "problem"
    return Finding(subject="certificate", level=level, text=f"ends in {days} days", remedy=advice)


def check_volumes(claims: Iterable[Object]) -> Iterator[Finding]:
    """Look whether every claim has its volume."""
    phases = {one["metadata"]["name"]: (one.get("status") or {}).get("phase", "Pending") for one in claims}
    waiting = [name for name, phase in phases.items() if phase != "Bound"]
    if waiting:
        text, advice = f"without a volume: {', '.join(waiting)}", "kubectl describe pvc says what it waits for"
        yield Finding(subject="volumes", level="problem", text=text, remedy=advice)
    else:
        yield Finding(subject="volumes", level="ok", text=f"{len(phases)} bound")


def _parts(cluster: Cluster, found: Iterable[watch.Part]) -> Iterator[Finding]:
    for part in found:
        if part.state == watch.READY:
            yield Finding(subject=part.name, level="ok", text=part.text)
            continue
        why = trouble.examine(cluster, part)
        level = "problem" if part.reason or part.state == watch.FAILED else "warning"
        text = "\n".join([why.text, *why.events, *(f"| {line}" for line in why.log)])
        yield Finding(subject=part.name, level=level, text=text, remedy=why.remedy)


def check_restarts(pods: Iterable[Object]) -> Iterator[Finding]:
    """Look which containers were started again, and how they had ended."""
    for pod in pods:
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            ended = (one.get("lastState") or {}).get("terminated") or {}
            killed = ended.get("reason") == "OOMKilled"
            if not killed and int(one.get("restartCount", 0)) <= _RESTARTS:
                continue
            text = f"{one['name']} was started again {one['restartCount']} times; it ended with {watch.ending(ended)}"
            advice = trouble.remedy(
                text, f"kubectl logs {pod['metadata']['name']} --container {one['name']} --previous"
            )
            yield Finding(subject=pod["metadata"]["name"], level="warning", text=text, remedy=advice)
