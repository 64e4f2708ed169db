"""What checks rendered objects: the API's own schemas for kubeconform, and checkov in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lakehold.cluster.objects import of_job
from lakehold.errors import ArtifactError
from lakehold.release import envs
from node import programs
from node.layout import HERE, Node, default

SKIPPED: Mapping[str, str] = {
    "CKV_K8S_15": "IfNotPresent: an image is named by digest or by a version that never changes",
    "CKV_K8S_43": "digests are a value; where the tests run there is no registry that has any",
}
"""Rules of checkov that do not hold, and why."""
_OPENMETADATA = (("Deployment", "-openmetadata"), ("Job", "-openmetadata-migrate"))
EXEMPT: Mapping[tuple[str, str, str], str] = {
    **{
        (rule, "Pod", "-test"): "the pod of `helm test` runs to its end: there is nothing to probe"
        for rule in ("CKV_K8S_8", "CKV_K8S_9")
    },
    **{("CKV_K8S_35", *of): "its configuration reads secrets from the environment only" for of in _OPENMETADATA},
    **{
        ("CKV_K8S_40", *of): "its makers' image is for the user 1000"
        for of in (*_OPENMETADATA, ("StatefulSet", "-opensearch"))
    },
}
"""What does not hold for one object, by the end of its name; of a Job's without the sum of what it runs."""
_AUDITED = 100
"""Fewer rules that hold mean that it was not read."""
_LOCK = HERE.parent / "checkov.txt"
_SWAGGER = Path("api") / "openapi-spec" / "swagger.json"
_KINDS = "x-kubernetes-group-version-kind"
_LOOSE = {
    "intstr.IntOrString": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    "resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
"""Types that the document calls strings, and that are written as numbers as well."""


def checkov() -> list[str]:
    """Return the command; its environment is built when it is not there."""
    folder = default().root / "envs" / envs.folder_name("checkov", _LOCK.read_bytes())
    if envs.python_of(folder) is None:
        for command in envs.commands(folder, _LOCK, str(sys._base_executable), cached=True):  # type: ignore[attr-defined]
            done = subprocess.run(
                command, env=envs.environment(os.environ), capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ArtifactError("checkov's environment could not be built.", why=done.stderr[-500:])
        (folder / envs.RECORD).write_text("{}", encoding="utf-8")
    return [str(folder / "bin" / "python"), str(folder / "bin" / "checkov")]


def audit(folder: Path) -> list[tuple[str, str]]:
    """Return rule and object of what checkov finds in a folder, but for what has its reason here."""
    command = [
        *checkov(),
        *("--directory", str(folder), "--framework", "kubernetes", "--output", "json", "--quiet"),
        *("--compact", "--skip-check", ",".join(SKIPPED)),
    ]
    # It would ask its maker's service otherwise.
    environment = {**os.environ, "BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    found = json.loads(done.stdout)
    if found["summary"]["passed"] < _AUDITED or found["summary"]["parsing_errors"]:
        raise ArtifactError("checkov has not read what it was given.", why=str(found["summary"]))
    failed = {(one["check_id"], of_job(one["resource"])) for one in found["results"]["failed_checks"]}
    return sorted(one for one in failed if not _exempt(*one))


def _exempt(rule: str, resource: str) -> bool:
    kind, _, name = resource.split(".", 2)
    return any((rule, kind) == one[:2] and name.endswith(one[2]) for one in EXEMPT)


def conform(node: Node, text: str) -> dict[str, Any]:
    """Return what kubeconform says, by the API's own schemas, of the objects in a text."""
    location = str(schemas(node) / "{{ .ResourceKind }}{{ .KindSuffix }}.json")
    command = [str(programs.ensure(node, "kubeconform")), "-strict", "-summary", "-output", "json"]
    done = subprocess.run(
        [*command, "-schema-location", location], input=text, capture_output=True, text=True, check=False
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def schemas(node: Node) -> Path:
    """Return a folder with a strict schema for every kind, from the document that the pinned version publishes."""
    pin = programs.versions()["kubernetes"]
    folder = node.schemas / str(pin["version"])
    if not folder.is_dir():
        source = programs.modules(node, pin["module"], pin["version"], pin["sum"]) / _SWAGGER
        draft = folder.with_suffix(".part")
        draft.mkdir(parents=True, exist_ok=True)
        for name, schema in kinds(json.loads(source.read_text(encoding="utf-8"))["definitions"]):
            (draft / name).write_text(json.dumps(schema), encoding="utf-8")
        draft.rename(folder)
    return folder


def kinds(definitions: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every kind's file name, as kubeconform asks for it, and its schema with all that it refers to."""
    strict = {name: _strict(name, definition) for name, definition in definitions.items()}
    for name, definition in definitions.items():
        for kind in definition.get(_KINDS, []):
            schema = {**strict[name], "definitions": {one: strict[one] for one in _needed(name, strict)}}
            group, version = kind["group"], kind["version"]
            if "kind" in schema.get("properties", {}):
                own = {
                    "kind": {"enum": [kind["kind"]]},
                    "apiVersion": {"enum": [f"{group}/{version}" if group else version]},
                }
                schema["properties"] = {**schema["properties"], **own}
                schema["required"] = sorted({*schema.get("required", []), *own})
            parts = [kind["kind"], *([group.split(".")[0]] if group else []), version]
            yield f"{'-'.join(parts).lower()}.json", schema


def _strict(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what validators do not know; an unknown field is an error, and what is optional may be null."""
    for loose, schema in _LOOSE.items():
        if name.endswith(loose):
            return schema
    known = {key: value for key, value in definition.items() if not key.startswith("x-") and key != "description"}
    if "properties" in known:
        required = set(known.get("required", []))
        known["additionalProperties"] = False
        known["properties"] = {
            key: _plain(value) if key in required else {"anyOf": [_plain(value), {"type": "null"}]}
            for key, value in known["properties"].items()
        }
    return known


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if not key.startswith("x-") and key != "description"}


def _needed(name: str, definitions: Mapping[str, Any]) -> list[str]:
    """Every definition that one refers to, however indirectly."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        for other in _references(definitions[ahead.pop()]):
            if other not in found:
                found.add(other)
                ahead.append(other)
    return sorted(found)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rsplit("/", 1)[1]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
