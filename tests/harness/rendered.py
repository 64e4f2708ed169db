"""What the chart renders, read: its pods, who may reach whom, which keys a pod is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from lakehold.cluster import openmetadata
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS

FACTS = declared(COMPONENTS)["components"]
NAME = "app.kubernetes.io/component"
SEARCH = 9200
"""OpenSearch's port."""

Manifest = dict[str, Any]


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod, by the name of what makes it."""
    for one in objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield name, one["spec"]["template"]
        elif one["kind"] == "Pod":
            yield name, one
        elif one["kind"] == "ConfigMap":
            for file in ("task.yaml", "spark-task.yaml", "executor.yaml"):
                if file in one["data"]:
                    yield f"{name}/{file}", yaml.safe_load(one["data"][file])


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def matches(selector: Manifest, labels: Manifest) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def ways(objects: list[Manifest]) -> set[tuple[str, str, int]]:
    """Who may reach whom on which port: both ends' policies have to allow it."""
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    labels = {
        tuple(sorted(pod["metadata"]["labels"].items())) for _name, pod in pods(objects) if "labels" in pod["metadata"]
    }
    ends = [dict(one) for one in labels]
    ports = {facts["port"] for facts in FACTS.values()} | {7078, 7079, openmetadata.PORT, SEARCH}
    return {
        (source[NAME], target[NAME], port)
        for source in ends
        for target in ends
        for port in ports
        if _allowed(policies, "egress", "to", source, target, port)
        and _allowed(policies, "ingress", "from", target, source, port)
    }


def _allowed(policies: list[Manifest], way: str, peers: str, own: Manifest, other: Manifest, port: int) -> bool:
    for policy in policies:
        if not matches(policy["podSelector"], own):
            continue
        for rule in policy.get(way, []):
            peer = any(matches(one["podSelector"], other) for one in rule.get(peers, []) if "podSelector" in one)
            if peer and port in [one["port"] for one in rule["ports"]]:
                return True
    return False


def secrets_of(pod: Manifest) -> dict[str, set[str]]:
    """Secret → the keys of it that a pod is given."""
    sources = [one for volume in pod["spec"]["volumes"] for one in volume.get("projected", {}).get("sources", [])]
    return {one["secret"]["name"]: {key["key"] for key in one["secret"]["items"]} for one in sources if "secret" in one}


def told(objects: list[Manifest]) -> Manifest:
    """What pods are told of the platform."""
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    return dict(json.loads(cluster["data"]["cluster.json"]))


def jobs(objects: list[Manifest]) -> set[str]:
    return {one["metadata"]["name"] for one in objects if one["kind"] == "Job"}
