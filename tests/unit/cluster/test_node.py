"""The plans of the tests' own Kubernetes node: what it is built from, configured with, and checks objects by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lakehold.errors import StartError
from node import checks, config, machine, programs
from node.layout import Node

NODE = Node(root=Path("/store/cluster"))
UPSTREAM = """\
module k8s.io/kubernetes

go 1.25.0

godebug default=go1.25

require (
\tgithub.com/one/module v1.2.3
\tk8s.io/api v0.0.0
\tk8s.io/kubectl v0.0.0 // indirect
\tk8s.io/utils v0.0.0-20250101000000-abcdefabcdef
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/kubectl => ./staging/src/k8s.io/kubectl
)
"""


def test_kubernetes_is_built_with_its_own_requirements_and_the_published_staging_modules() -> None:
    made = programs.go_mod(UPSTREAM, "v1.35.4").splitlines()
    assert made[0] == "module kubeaio"
    for line in ("go 1.25.0", "godebug default=go1.25", "require k8s.io/kubernetes v1.35.4"):
        assert line in made
    assert "\tk8s.io/api v0.35.4" in made
    assert "\tk8s.io/kubectl v0.35.4 // indirect" in made
    assert "\tk8s.io/utils v0.0.0-20250101000000-abcdefabcdef" in made
    assert "\tk8s.io/api => k8s.io/api v0.35.4" in made


@pytest.mark.parametrize("name", programs.names())
def test_another_pin_is_another_program(name: str) -> None:
    path = programs.program(NODE, name)
    assert path.name == name
    assert path.parent.parent == NODE.programs


def test_everything_pinned_has_a_sum_a_licence_and_a_reason() -> None:
    table = programs.versions()
    for name, pin in {**table["programs"], "kubernetes": table["kubernetes"]}.items():
        assert pin["version"].startswith("v"), name
        assert pin["sum"].startswith("h1:"), name
        assert pin["license"], name
        assert pin["reason"].endswith("."), name


def test_all_that_a_node_writes_is_below_its_folder() -> None:
    files = config.files(NODE)
    kubelet = json.loads(files["kubelet.json"])
    assert kubelet["cgroupRoot"] == f"/{NODE.group}"
    assert kubelet["clusterDNS"] == [NODE.dns]
    commands = config.commands(NODE, {"kubeaio": Path("/kubeaio"), "kube-router": Path("/kube-router")})
    assert next(iter(commands)) == "containerd"
    for command in commands.values():
        for word in (word for word in command if word.startswith("/") and "." in word.rpartition("/")[2]):
            assert word.startswith(str(NODE.run)), word


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "getuid", lambda: 1000)
    with pytest.raises(StartError, match="root"):
        machine.preflight()


def test_a_schema_refuses_what_the_api_does_not_know() -> None:
    definitions = {
        "io.k8s.api.core.v1.Thing": {
            "type": "object",
            "description": "a thing",
            "required": ["kind"],
            "properties": {
                "kind": {"type": "string"},
                "apiVersion": {"type": "string"},
                "part": {"$ref": "#/definitions/io.k8s.api.core.v1.Part", "description": "its part"},
            },
            "x-kubernetes-group-version-kind": [{"group": "things.k8s.io", "kind": "Thing", "version": "v1"}],
        },
        "io.k8s.api.core.v1.Part": {"type": "object", "properties": {"port": {"$ref": "#/definitions/a.IntOrString"}}},
        "a.IntOrString": {"type": "string"},
    }
    [(name, schema)] = list(checks.kinds(definitions))
    assert name == "thing-things-v1.json"
    assert schema["additionalProperties"] is False
    assert schema["properties"]["kind"] == {"enum": ["Thing"]}
    assert schema["properties"]["apiVersion"] == {"enum": ["things.k8s.io/v1"]}
    assert schema["required"] == ["apiVersion", "kind"]
    assert set(schema["definitions"]) == {"io.k8s.api.core.v1.Part", "a.IntOrString"}
    assert schema["definitions"]["io.k8s.api.core.v1.Part"]["additionalProperties"] is False
