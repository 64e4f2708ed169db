"""OpenMetadata's objects, as rendered: its image can be had by no registry our tests reach, so they are never run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

IMAGES = (
    "openmetadata.image=example.org/om/server:2.0.1",
    "openmetadata.opensearch.image=example.org/os/opensearch:3.8.0",
)
ON = ("openmetadata.enabled=true", *IMAGES, "secrets.outside=mine")
KINDS = ("Deployment", "StatefulSet", "Job")


@pytest.fixture(scope="module")
def objects(render: Render) -> dict[str, Manifest]:
    """What it adds to the trial profile, by kind and name; a Job without the sum in its name."""
    before = {(one["kind"], one["metadata"]["name"]) for one in render() if one["kind"] != "Job"}
    return {
        f"{one['kind']}/{one['metadata']['name'].partition('-migrate-')[0].removeprefix('demo-')}": one
        for one in render("trial", *ON)
        if (one["kind"], one["metadata"]["name"]) not in before
        and (one["kind"] != "Job" or "openmetadata" in one["metadata"]["name"])
    }


def pods(objects: dict[str, Manifest]) -> dict[str, Manifest]:
    return {name: one["spec"]["template"] for name, one in objects.items() if one["kind"] in KINDS}


def test_it_is_off_by_default(render: Render) -> None:
    assert not [one for one in render() if "openmetadata" in one["metadata"]["name"]]


def test_what_it_adds(objects: dict[str, Manifest]) -> None:
    assert set(objects) == {
        "Deployment/openmetadata",
        "Job/openmetadata",
        "Service/openmetadata",
        "Service/opensearch",
        "StatefulSet/opensearch",
        *(
            f"NetworkPolicy/{name}"
            for name in (
                "openmetadata",
                "to-openmetadata",
                "to-opensearch",
                "openmetadata-to-postgres",
                "lineage-to-openmetadata",
            )
        ),
    }


def test_its_pods_are_limited_and_cannot_rise(objects: dict[str, Manifest]) -> None:
    for name, pod in pods(objects).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["automountServiceAccountToken"] is False, name
        for container in (*spec["initContainers"], *spec["containers"]):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert {kind: set(container["resources"][kind]) for kind in ("requests", "limits")} == {
                "requests": {"cpu", "memory"},
                "limits": {"cpu", "memory"},
            }, name


def test_what_runs_on_is_probed(objects: dict[str, Manifest]) -> None:
    for name in ("Deployment/openmetadata", "StatefulSet/opensearch"):
        (container,) = objects[name]["spec"]["template"]["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name


def environment(pod: Manifest) -> dict[str, Manifest]:
    (container,) = pod["spec"]["containers"]
    return {one["name"]: one for one in container["env"]}


def test_no_key_or_password_is_the_one_of_its_image(objects: dict[str, Manifest]) -> None:
    """What its configuration has a default for that everybody knows comes from a Secret."""
    known = environment(pods(objects)["Deployment/openmetadata"])
    sources = {
        name: (one["valueFrom"]["secretKeyRef"]["name"], one["valueFrom"]["secretKeyRef"]["key"])
        for name, one in known.items()
        if "valueFrom" in one
    }
    assert sources == {
        "JWT_KEY_ID": ("demo-secrets", "openmetadata.key-id"),
        "FERNET_KEY": ("demo-secrets", "openmetadata.fernet"),
        "DB_USER_PASSWORD": ("mine", "openmetadata.database"),
    }
    for name in ("RSA_PUBLIC_KEY_FILE_PATH", "RSA_PRIVATE_KEY_FILE_PATH"):
        assert known[name]["value"].startswith("/var/lib/lakehold/keys/")


OUTSIDE = ("postgres.outside.host=p.example.org", "postgres.outside.sslmode=verify-full")
OWN = ("openmetadata.database.host=o.example.org", "openmetadata.database.sslmode=verify-ca")


@pytest.mark.parametrize(
    ("values", "mode", "given"),
    [
        ((), "sslmode=prefer", []),
        ((*OUTSIDE, "postgres.outside.ca.secret=ca"), "sslmode=verify-full&sslrootcert={}", [{"secret": "ca"}]),
        ((*OWN, "openmetadata.database.ca.configMap=ca"), "sslmode=verify-ca&sslrootcert={}", [{"configMap": "ca"}]),
    ],
)
def test_it_verifies_its_database_as_it_is_told(
    render: Render, values: tuple[str, ...], mode: str, given: list[dict[str, str]]
) -> None:
    found = [one for one in render("trial", *ON, *values) if one["kind"] in KINDS]
    for pod in (one["spec"]["template"] for one in found if one["metadata"]["name"].startswith("demo-openmetadata")):
        (container,) = pod["spec"]["containers"]
        path = "/etc/lakehold/database/ca.crt"
        assert environment(pod)["DB_PARAMS"]["value"] == mode.format(path)
        (volume,) = [one["projected"]["sources"] for one in pod["spec"]["volumes"] if one["name"] == "database"] or [[]]
        assert [{kind: one["name"] for kind, one in source.items()} for source in volume] == given
        mounts = [one["mountPath"] for one in container["volumeMounts"]]
        assert ("/etc/lakehold/database" in mounts) is bool(given)


def test_its_keys_are_looked_at_before_anything_else(objects: dict[str, Manifest]) -> None:
    for name in ("Deployment/openmetadata", "Job/openmetadata"):
        first, second, *_ = pods(objects)[name]["spec"]["initContainers"]
        assert first["command"][2] == "lakehold.cluster.openmetadata"
        assert "conf/private_key.der" in second["command"][-1]


def test_it_migrates_in_a_job_and_starts_once_that_is_done(objects: dict[str, Manifest]) -> None:
    (migrates,) = pods(objects)["Job/openmetadata"]["spec"]["containers"]
    assert migrates["command"] == ["./bootstrap/openmetadata-ops.sh", "migrate"]
    waits = pods(objects)["Deployment/openmetadata"]["spec"]["initContainers"][-1]
    assert "openmetadata-ops.sh validate" in waits["command"][-1]
    assert objects["Deployment/openmetadata"]["spec"]["strategy"] == {"type": "Recreate"}


def test_the_job_draws_its_keys(render: Render) -> None:
    (asked,) = [
        one["data"]["keys.json"]
        for one in render("trial", *ON)
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "demo-keys"
    ]
    names = yaml.safe_load(asked)["names"]
    assert {"openmetadata.rsa", "openmetadata.key-id", "openmetadata.fernet"} <= set(names)


@pytest.mark.parametrize("without", IMAGES)
def test_without_an_image_the_message_names_the_value(
    template: Callable[..., subprocess.CompletedProcess[str]], without: str
) -> None:
    done = template("trial", *[one for one in ON if one != without])
    assert done.returncode != 0
    assert f"{without.partition('=')[0]}: " in done.stderr


def test_an_image_needs_a_tag_or_a_digest(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert template("trial", *ON, "openmetadata.image=example.org/om/server").returncode != 0
