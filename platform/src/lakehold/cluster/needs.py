"""What a rendered chart asks of a cluster: rights, memory, cores, volumes, Secrets of others; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from lakehold.cluster import objects
from lakehold.cluster.objects import Key, Object

_PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
_VERBS = ("get", "list", "create", "patch", "delete")
_WATCHED = (("", "pods"), ("", "events"))
"""What is looked at while pods start, and when they do not."""
_SECRETS = ("secret", "secretKeyRef", "secretRef")
_CONFIG_MAPS = ("configMap", "configMapKeyRef", "configMapRef")
"""What a pod's volumes, variables and environments are called that come from one."""


@dataclass(frozen=True, kw_only=True, order=True)
class Right:
    """Something one must be allowed to do in the namespace; ``name`` is empty for any object."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Write it as ``kubectl auth can-i`` takes it."""
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        inner = f"/{self.subresource}" if self.subresource else ""
        return " ".join(filter(None, (self.verb, what + inner, self.name)))


@dataclass(frozen=True, kw_only=True)
class Size:
    """Cores and bytes of memory."""

    cores: float = 0.0
    memory: float = 0.0

    def __add__(self, other: Size) -> Size:
        """Return both."""
        return Size(cores=self.cores + other.cores, memory=self.memory + other.memory)

    def times(self, number: int) -> Size:
        """Return so many of it."""
        return Size(cores=self.cores * number, memory=self.memory * number)

    def __str__(self) -> str:
        """Write it as people read it."""
        return f"{self.cores:.2f} cores and {self.memory / (1 << 30):.1f} GiB"


MAKE_NAMESPACE = Right(verb="create", group="", resource="namespaces")
"""For an installation into a namespace that is not there yet."""


def rights(manifest: Mapping[Key, Object]) -> list[Right]:
    """Return what an installation must be allowed to do: to make every object, and to give the rights it gives."""
    kinds = {(_group(one), _plural(one["kind"])) for one in manifest.values()} | {("", "secrets")}
    made = {Right(verb=verb, group=group, resource=resource) for group, resource in kinds for verb in _VERBS}
    looked = {Right(verb="list", group=group, resource=resource) for group, resource in _WATCHED}
    more = {
        Right(verb="get", group="", resource="pods", subresource="log"),
        Right(verb="create", group="", resource="pods", subresource="portforward"),
    }
    given = {right for one in manifest.values() if one["kind"] == "Role" for right in _given(one)}
    return sorted(made | looked | more | given)


def _given(role: Object) -> Iterator[Right]:
    """Nobody may give a right away that they have not got."""
    for rule in role.get("rules") or []:
        for group in rule.get("apiGroups") or [""]:
            for resource in rule.get("resources") or []:
                plain, _, inner = resource.partition("/")
                for name in rule.get("resourceNames") or [""]:
                    for verb in rule["verbs"]:
                        yield Right(verb=verb, group=group, resource=plain, subresource=inner, name=name)


def _group(one: Object) -> str:
    group, slash, _ = one["apiVersion"].partition("/")
    return group if slash else ""


def _plural(kind: str) -> str:
    return _PLURALS.get(kind, kind.lower() + "s")


def reviews(wanted: Iterable[Right], namespace: str) -> dict[str, Any]:
    """Return the question whether one may, of all rights at once, for ``kubectl create``."""
    return {"apiVersion": "v1", "kind": "List", "items": [_review(right, namespace) for right in wanted]}


def _review(right: Right, namespace: str) -> dict[str, Any]:
    asked = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in asked.items() if value}},
    }


def denied(wanted: Iterable[Right], answers: Iterable[Object]) -> list[Right]:
    """Return the rights that one does not have, by the answers to :func:`reviews`, which come in the same order."""
    return [right for right, one in zip(wanted, answers, strict=True) if not one["status"].get("allowed")]


def requests(manifest: Mapping[Key, Object]) -> Size:
    """Return what all pods that stay ask for together."""
    total = Size()
    # How many pods there are where their number follows the load: these at least.
    scaled = {
        str(one["spec"]["scaleTargetRef"]["name"]): int(one["spec"]["minReplicas"])
        for one in manifest.values()
        if one["kind"] == "HorizontalPodAutoscaler"
    }
    for one in manifest.values():
        if one["kind"] in objects.WORKLOADS:
            many = one["spec"].get("replicas", scaled.get(one["metadata"]["name"], 1))
            total += of_pod(one["spec"]["template"]).times(int(many))
    return total


def largest(manifest: Mapping[Key, Object]) -> tuple[str, Size]:
    """Return the pod that needs most memory, which one node must have room for. A task's pods are among them."""
    pods = {str(key): objects.pod_template(one) for key, one in manifest.items()}
    sizes = [(name, of_pod(pod)) for name, pod in pods.items() if pod is not None]
    sizes += [("a task's pod", of_pod(pod)) for pod in task_pods(manifest)]
    return max(sizes, key=lambda one: one[1].memory)


def task_pods(manifest: Mapping[Key, Object]) -> list[Object]:
    """Return the pods that tasks and their Spark applications are made from: files of ConfigMaps."""
    documents = [one for key, one in manifest.items() if key.kind == "ConfigMap"]
    texts = [text for one in documents for name, text in (one.get("data") or {}).items() if name.endswith(".yaml")]
    return [pod for text in texts for pod in yaml.safe_load_all(text) if pod and pod.get("kind") == "Pod"]


def of_pod(pod: Object) -> Size:
    """Return what a pod asks for: all of its containers, or the largest of those that run before them."""
    after = Size()
    for one in objects.containers(pod):
        after += _asked(one)
    first = [_asked(one) for one in objects.first_containers(pod)]
    cores = max([after.cores, *(one.cores for one in first)])
    return Size(cores=cores, memory=max([after.memory, *(one.memory for one in first)]))


def _asked(container: Object) -> Size:
    wanted = (container.get("resources") or {}).get("requests") or {}
    return Size(cores=objects.quantity(wanted.get("cpu", 0)), memory=objects.quantity(wanted.get("memory", 0)))


def classes(manifest: Mapping[Key, Object]) -> set[str]:
    """Return the storage classes of the volumes; an empty one is the cluster's default."""
    claims = [one for one in manifest.values() if one["kind"] == "PersistentVolumeClaim"]
    for one in manifest.values():
        claims += one["spec"].get("volumeClaimTemplates") or [] if one["kind"] == "StatefulSet" else []
    return {claim["spec"].get("storageClassName", "") for claim in claims}


def secrets(manifest: Mapping[Key, Object]) -> dict[str, set[str]]:
    """Return the Secrets that must be there already, each with the keys that are used of it.

    An ingress's certificate is none of them: no pod waits for it, and a controller may make it later.
    """
    wanted = _named(manifest, _SECRETS)
    for pod in _pods(manifest):
        for pull in pod["spec"].get("imagePullSecrets") or []:
            wanted.setdefault(pull["name"], set())
    made = {right.name for one in manifest.values() if one["kind"] == "Role" for right in _given(one)}
    return {name: keys for name, keys in wanted.items() if name not in made}


def config_maps(manifest: Mapping[Key, Object]) -> dict[str, set[str]]:
    """Return the ConfigMaps that must be there already, each with the keys that are used of it."""
    made = {key.name for key in manifest if key.kind == "ConfigMap"}
    return {name: keys for name, keys in _named(manifest, _CONFIG_MAPS).items() if name not in made}


def _named(manifest: Mapping[Key, Object], words: Sequence[str]) -> dict[str, set[str]]:
    """Return what pods name by these words, and the keys they take."""
    found: dict[str, set[str]] = {}
    for pod in _pods(manifest):
        for asked in _all(pod["spec"], words):
            keys = found.setdefault(asked.get("name") or asked["secretName"], set())
            keys.update(item["key"] for item in asked.get("items") or [])
            if "key" in asked:
                keys.add(asked["key"])
    return found


def _pods(manifest: Mapping[Key, Object]) -> list[Object]:
    return [pod for one in manifest.values() if (pod := objects.pod_template(one))] + task_pods(manifest)


def _all(node: Any, words: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield every reference by one of the words, however deep; one that may be missing is none."""
    if isinstance(node, Mapping):
        for word, one in node.items():
            if word in words and isinstance(one, Mapping) and not one.get("optional"):
                yield one
            else:
                yield from _all(one, words)
    elif isinstance(node, list):
        for one in node:
            yield from _all(one, words)
