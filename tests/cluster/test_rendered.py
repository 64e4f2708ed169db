"""What holds for everything the chart renders, in every profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS

PROFILES = ("trial", "restricted")
FACTS = declared(COMPONENTS)["components"]
NAME, PROCESS = "app.kubernetes.io/component", "lakehold/process"

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

every_profile = pytest.mark.parametrize("profile", PROFILES)


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod, by the name of what makes it."""
    for one in objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield name, one["spec"]["template"]
        elif one["kind"] == "Pod":
            yield name, one
        elif one["kind"] == "ConfigMap" and "task.yaml" in one["data"]:
            yield name, yaml.safe_load(one["data"]["task.yaml"])


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


@every_profile
def test_every_pod_is_one_a_restricted_namespace_takes(render: Render, profile: str) -> None:
    for name, pod in pods(render(profile)):
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] >= 10000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"], name
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "projected", "configMap", "persistentVolumeClaim"}, name


@every_profile
def test_every_container_is_limited_and_cannot_rise(render: Render, profile: str) -> None:
    for name, pod in pods(render(profile)):
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}, name
            reference = container["image"].rpartition("/")[2]
            assert "@sha256:" in reference or (":" in reference and not reference.endswith(":latest")), name


@every_profile
def test_everything_that_runs_on_is_probed(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), one["metadata"]["name"]


@every_profile
def test_a_program_that_says_who_is_alive_has_time_to_start(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                probe = container["livenessProbe"]
                if "exec" in probe:
                    assert probe["timeoutSeconds"] * probe["failureThreshold"] >= 180, one["metadata"]["name"]


@every_profile
def test_a_slow_start_is_not_cut_short(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                probe = container["startupProbe"]
                assert probe["periodSeconds"] * probe["failureThreshold"] >= 300, one["metadata"]["name"]


@every_profile
def test_only_who_asks_the_api_has_a_token(render: Render, profile: str) -> None:
    found = {name.partition("/")[2] for name, pod in pods(render(profile)) if "serviceAccountToken" in str(pod)}
    makes_keys = profile != "restricted"
    assert {name for name in found if "keys" not in name} == {"demo-airflow-api", "demo-airflow-scheduler"}
    assert any("keys" in name for name in found) is makes_keys


@every_profile
def test_there_is_no_right_beyond_the_namespace(render: Render, profile: str) -> None:
    kinds = {one["kind"] for one in render(profile)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "Namespace", "Secret"}
    assert {one["metadata"]["namespace"] for one in render(profile)} == {"lake"}


def test_no_volume_goes_with_the_release(render: Render) -> None:
    for one in render():
        if one["kind"] == "PersistentVolumeClaim":
            assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        if one["kind"] == "StatefulSet":
            assert set(one["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_rendering_draws_nothing(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert template().stdout == template().stdout


def jobs(objects: list[Manifest]) -> set[str]:
    return {one["metadata"]["name"] for one in objects if one["kind"] == "Job"}


def test_a_job_that_runs_something_else_has_another_name(render: Render) -> None:
    before = jobs(render())
    assert jobs(render("trial", "trino.resources.limits.cpu=3")) == before
    changed = jobs(render("trial", "images.platform.tag=0.2.0"))
    assert not before & changed
    assert len(changed) == len(before)


@pytest.mark.parametrize(
    ("value", "starts_again", "runs"),
    [
        ("settings.trino.heap=3G", {"demo-trino"}, {"demo-trino-schemas"}),
        ("settings.lineage.close_hours=3", {"demo-lineage"}, {"demo-lineage-migrate"}),
        # A task's pod reads them when it starts.
        ("settings.spark.cores=4", set(), set()),
    ],
)
def test_a_changed_setting_starts_again_whom_it_concerns(
    render: Render, value: str, starts_again: set[str], runs: set[str]
) -> None:
    objects, changed = render(), render("trial", value)
    before = {name: pod for name, pod in pods(objects) if "Job" not in name}
    after = {name: pod for name, pod in pods(changed) if "Job" not in name}
    different = {name.partition("/")[2] for name, pod in after.items() if pod != before[name]}
    assert different - {"demo-test"} == starts_again
    assert {name.rpartition("-")[0] for name in jobs(changed) - jobs(objects)} == runs


def test_no_hook_but_a_test(render: Render) -> None:
    hooks = [one["metadata"].get("annotations", {}).get("helm.sh/hook") for one in render()]
    assert {hook for hook in hooks if hook} == {"test"}


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
    ports = {facts["port"] for facts in FACTS.values()}
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


def test_the_policies_are_the_declarations_graph(render: Render) -> None:
    expected = set()
    for name, facts in FACTS.items():
        for other in facts["talks"]:
            port = FACTS[other]["port"]
            expected |= {(name, other, port), (f"{name}-setup", other, port)}
        expected.add((f"{name}-setup", name, facts["port"]))
    expected |= {("airflow-task", other, FACTS[other]["port"]) for other in FACTS["airflow"]["talks"]}
    assert ways(render()) == expected


def test_every_pod_is_denied_by_default(render: Render) -> None:
    objects = render()
    (default,) = [one for one in objects if one["metadata"]["name"] == "demo-default"]
    assert default["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default["spec"]
    for name, pod in pods(objects):
        labels = {**pod["metadata"].get("labels", {})}
        if labels:
            assert matches(default["spec"]["podSelector"], labels), name


def test_a_service_finds_the_one_process_that_serves(render: Render) -> None:
    objects = render()
    for service in (one for one in objects if one["kind"] == "Service"):
        found = {
            pod["metadata"]["labels"][PROCESS]
            for _name, pod in pods(objects)
            if matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"].get("labels", {}))
        }
        assert len(found) == 1, service["metadata"]["name"]


def test_people_come_in_by_the_hosts_that_are_named_and_no_other(render: Render) -> None:
    assert not [one for one in render() if one["kind"] == "Ingress"]
    objects = render("trial", "ingress.hosts.airflow=flows.example.org", "ingress.tlsSecret=flows")
    (ingress,) = [one for one in objects if one["kind"] == "Ingress"]
    assert ingress["spec"]["tls"] == [{"hosts": ["flows.example.org"], "secretName": "flows"}]
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    assert json.loads(cluster["data"]["cluster.json"])["settings"]["airflow"]["url"] == "https://flows.example.org"


@pytest.mark.parametrize(
    ("value", "path"),
    [("settings.trino.heap=much", "heap"), ("lineage.replicas=0", "replicas"), ("postgress.size=1", "postgress")],
)
def test_a_wrong_value_is_refused_by_its_path(
    template: Callable[..., subprocess.CompletedProcess[str]], value: str, path: str
) -> None:
    done = template("trial", value)
    assert done.returncode != 0
    assert path in done.stderr
