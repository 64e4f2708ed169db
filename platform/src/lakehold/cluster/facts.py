"""Ask a cluster for what :mod:`preflight` judges. Nothing is made: what one may not see is ``None``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakehold.cluster import needs, tools
from lakehold.cluster.commands import Cluster, create, get, kubectl
from lakehold.cluster.objects import Key, Object

Answer = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found; JSON as kubectl prints it."""

    kubernetes: str
    namespace: Answer | None
    """Empty where it does not exist yet."""
    denied: tuple[needs.Right, ...]
    classes: Answer | None
    nodes: Answer | None
    pods: Answer | None
    names: Answer | None
    """The addresses behind the cluster's DNS."""
    leases: Answer | None
    """One a node, renewed every ten seconds with the node's own clock."""
    secrets: Mapping[str, Answer | None]
    config_maps: Mapping[str, Answer | None]
    server_clock: dt.datetime | None
    """The time of the API server, at :attr:`here_clock` here."""
    here_clock: dt.datetime


def version(cluster: Cluster) -> str:
    """Return the cluster's version, ``v1.35.4``."""
    found = tools.run_json(kubectl(cluster, "version", "--output", "json"))
    text: str = found["serverVersion"]["gitVersion"]
    return text


def gather(cluster: Cluster, manifest: Mapping[Key, Object], kubernetes: str) -> Facts:
    """Ask for everything an installation of this manifest depends on."""
    namespace = tools.attempt_json(get(cluster, "namespace", cluster.namespace, "--ignore-not-found"))
    wanted = [*needs.rights(manifest), *([needs.MAKE_NAMESPACE] if namespace == {} else [])]
    answers = tools.run_all(create(cluster, _UNCHECKED), stdin=json.dumps(needs.reviews(wanted, cluster.namespace)))
    server, here = _clocks(cluster, "ConfigMap" if namespace else "Namespace")
    return Facts(
        kubernetes=kubernetes,
        namespace=namespace,
        denied=tuple(needs.denied(wanted, answers)),
        classes=tools.attempt_json(get(cluster, "storageclasses")),
        nodes=tools.attempt_json(get(cluster, "nodes")),
        pods=tools.attempt_json(get(cluster, "pods", "--all-namespaces", "--field-selector", _ALIVE)),
        names=tools.attempt_json(_system(cluster, "endpointslices", "kube-system", "--selector", "k8s-app=kube-dns")),
        leases=tools.attempt_json(_system(cluster, "leases", "kube-node-lease", "--show-managed-fields")),
        secrets={name: tools.attempt_json(get(cluster, "secret", name)) for name in needs.secrets(manifest)},
        config_maps={name: tools.attempt_json(get(cluster, "configmap", name)) for name in needs.config_maps(manifest)},
        server_clock=server,
        here_clock=here,
    )


_UNCHECKED = "--validate=false"
"""What is sent is a constant of ours: kubectl need not read the cluster's whole description first."""
_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


def _system(cluster: Cluster, kind: str, namespace: str, *words: str) -> list[str]:
    return [cluster.kubectl, "--context", cluster.context, "--namespace", namespace, "get", kind, *words,
            "--output", "json"]  # fmt: skip


def _clocks(cluster: Cluster, kind: str) -> tuple[dt.datetime | None, dt.datetime]:
    """Return the API server's time and ours: it stamps what it would make, were it not only asked what it would do.

    Ours is the moment half-way between question and answer.
    """
    began = dt.datetime.now(dt.UTC)
    probe = {"apiVersion": "v1", "kind": kind, "metadata": {"generateName": "lakehold-clock-"}}
    try:
        made = tools.run_json(create(cluster, _UNCHECKED, "--dry-run=server"), stdin=json.dumps(probe))
    except tools.ToolError:
        return None, began
    return moment(made["metadata"]["creationTimestamp"]), began + (dt.datetime.now(dt.UTC) - began) / 2


def moment(text: str) -> dt.datetime:
    """Read a time of Kubernetes."""
    return dt.datetime.fromisoformat(text)
