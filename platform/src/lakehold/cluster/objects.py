"""Kubernetes objects as they are written: read from a manifest, named, flattened, looked into; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Object = Mapping[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_SUM = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True, kw_only=True, order=True)
class Key:
    """What an object is called: two manifests mean the same object when they say the same."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Write it as kubectl does."""
        return f"{self.kind}/{self.name}"


def read(manifest: str) -> dict[Key, Object]:
    """Return the objects of a manifest; hooks are none of them, for Helm keeps these apart."""
    found = [one for one in yaml.safe_load_all(manifest) if one]
    return {key(one): one for one in found if "helm.sh/hook" not in (one["metadata"].get("annotations") or {})}


def key(one: Object) -> Key:
    """Name an object."""
    return Key(kind=one["kind"], name=one["metadata"]["name"])


def pod_template(one: Object) -> Object | None:
    """Return the pod that a workload or Job starts; ``None`` for all other objects."""
    if one["kind"] in (*WORKLOADS, "Job"):
        template: Object = one["spec"]["template"]
        return template
    return None


def of_job(name: str) -> str:
    """Return a Job's name without the sum of what it runs."""
    return _SUM.sub("", name)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of all there is. Things with a name are told by it, and JSON or YAML within text is read."""
    inner = _read_text(value)
    if isinstance(inner, Mapping) and inner:
        for name, one in inner.items():
            yield from flat(one, _join(path, str(name)))
    elif isinstance(inner, Sequence) and not isinstance(inner, str) and inner:
        for number, one in enumerate(inner):
            yield from flat(one, f"{path}[{_called(one) or number}]")
    else:
        yield path, inner


def _called(one: Any) -> str:
    if not isinstance(one, Mapping):
        return ""
    metadata = one.get("metadata")
    return str(one.get("name") or (metadata.get("name", "") if isinstance(metadata, Mapping) else ""))


def _join(path: str, name: str) -> str:
    if re.search(r"[./\s]", name):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _read_text(value: Any) -> Any:
    """Return what a text of several lines holds, where that is a document; otherwise the text."""
    if not isinstance(value, str) or "\n" not in value.strip():
        return value
    try:
        found = json.loads(value) if value.lstrip().startswith("{") else yaml.safe_load(value)
    except (ValueError, yaml.YAMLError):
        return value
    return found if isinstance(found, dict | list) else value


def containers(pod: Object) -> list[Object]:
    """Return the containers that run side by side."""
    return list(pod["spec"]["containers"])


def first_containers(pod: Object) -> list[Object]:
    """Return the containers that run before, one after the other."""
    return list(pod["spec"].get("initContainers") or [])


_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")


def quantity(text: str | int | float) -> float:
    """Return cores or bytes of a quantity: ``250m`` is 0.25, ``1Gi`` is 2**30."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, unit = float(found[1]), found[2] or ""
    return number / 1000 if unit == "m" else number * _UNITS[unit]
