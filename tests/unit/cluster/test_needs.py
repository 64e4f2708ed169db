"""What a rendered chart asks of a cluster."""

from __future__ import annotations

from typing import Any

from lakehold.cluster import needs, objects
from lakehold.cluster.needs import Right, Size
from lakehold.cluster.objects import Key
from small_chart import MANIFEST

READ = objects.read(MANIFEST)


def test_rights_are_those_of_every_kind_and_of_what_is_given_away() -> None:
    wanted = set(needs.rights(READ))
    assert Right(verb="create", group="networking.k8s.io", resource="networkpolicies") in wanted
    assert Right(verb="patch", group="apps", resource="statefulsets") in wanted
    assert Right(verb="patch", group="", resource="secrets", name="lakehold-secrets") in wanted
    assert Right(verb="get", group="", resource="pods", subresource="log") in wanted
    assert {right.resource for right in wanted} >= {"roles", "persistentvolumeclaims", "events", "secrets"}


def test_a_review_asks_for_each_and_answers_come_in_the_same_order() -> None:
    wanted = [
        Right(verb="get", group="", resource="pods", subresource="log"),
        Right(verb="create", group="apps", resource="deployments"),
    ]
    items = needs.reviews(wanted, "here")["items"]
    assert items[0]["spec"]["resourceAttributes"] == {
        "namespace": "here", "verb": "get", "resource": "pods", "subresource": "log",
    }  # fmt: skip
    answers = [{"status": {"allowed": True}}, {"status": {"allowed": False, "reason": "no"}}]
    assert [str(right) for right in needs.denied(wanted, answers)] == ["create deployments.apps"]


def test_a_pod_needs_its_containers_or_the_largest_of_those_before_them() -> None:
    one = needs.of_pod(READ[objects.Key(kind="Deployment", name="lakehold-lineage")]["spec"]["template"])
    assert one == Size(cores=0.5, memory=256 << 20)
    assert needs.requests(READ) == Size(cores=1.1, memory=812 << 20)


def test_where_pods_follow_the_load_the_fewest_of_them_need_room() -> None:
    name = "lakehold-lineage"
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"minReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": name}},
    }
    one = READ[objects.Key(kind="Deployment", name=name)]
    free = {**one, "spec": {key: value for key, value in one["spec"].items() if key != "replicas"}}
    alone = {objects.key(found): found for found in (free, scaler)}
    assert needs.requests(alone) == needs.of_pod(free["spec"]["template"]).times(3)


def test_a_task_s_pod_must_find_room_too() -> None:
    assert needs.largest(READ) == ("a task's pod", Size(cores=0.25, memory=1 << 30))


def test_storage_classes_and_secrets_of_others() -> None:
    assert needs.classes(READ) == {"fast", ""}
    assert needs.secrets(READ) == {"mine": {"ca.crt", "tls.crt"}, "registry": set()}


def _deployment(pod: dict[str, Any]) -> dict[Key, Any]:
    one = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [], **pod}}}}
    return {objects.key(one): one}


def test_a_secret_that_is_a_variable_or_a_volume_must_be_there_and_an_ingress_s_may_come_later() -> None:
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}
    maybe = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "b", "optional": True}}}
    pod = {
        "containers": [{"name": "a", "env": [variable, maybe], "envFrom": [{"secretRef": {"name": "all"}}]}],
        "volumes": [{"name": "v", "secret": {"secretName": "files", "items": [{"key": "f", "path": "f"}]}}],
    }
    ingress = {"kind": "Ingress", "metadata": {"name": "a"}, "spec": {"tls": [{"secretName": "way-in"}, {"hosts": []}]}}
    wanted = needs.secrets({**_deployment(pod), objects.key(ingress): ingress})
    assert wanted == {"keys": {"a"}, "all": set(), "files": {"f"}}


def test_a_config_map_of_others_must_be_there_and_one_of_ours_is_made() -> None:
    sources = [
        {"configMap": {"name": name, "items": [{"key": "ca.crt", "path": "c"}]}} for name in ("ours", "authorities")
    ]
    made = {"kind": "ConfigMap", "metadata": {"name": "ours"}, "data": {}}
    manifest = {**_deployment({"volumes": [{"name": "v", "projected": {"sources": sources}}]}), objects.key(made): made}
    assert needs.config_maps(manifest) == {"authorities": {"ca.crt"}}


def test_every_pod_that_a_config_map_has_must_find_room() -> None:
    files = {
        "task.yaml": "kind: Pod\nspec: {containers: [{resources: {requests: {memory: 1Gi}}}]}",
        "executor.yaml": "kind: Pod\nspec: {containers: [{resources: {requests: {memory: 3Gi}}}]}",
        "other.yaml": "a: b",
    }
    one = {"kind": "ConfigMap", "metadata": {"name": "pods"}, "data": files}
    assert needs.largest({objects.key(one): one}) == ("a task's pod", Size(memory=3 << 30))
