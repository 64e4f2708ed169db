"""What it means to go from one manifest to another: what changes, what starts again and why, what runs; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehold.cluster import objects
from lakehold.cluster.objects import Key, Object

_NOTHING = "(nothing)"
_SUM = re.compile(r"\[checksum/([^\]]+)\]")
_TEXT = 80
_TOLD_ELSEWHERE = ("spec.template.metadata.labels", "metadata.labels[helm.sh/chart]")
"""Changes that follow from others: they are no reason by themselves."""
_FIXED = ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy")
"""Of a workload, what Kubernetes refuses to change."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field of one or several objects."""

    objects: tuple[str, ...]
    field: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Restart:
    """A workload whose pods are replaced; ``gap`` says that there is none of them for a moment."""

    workload: str
    why: str
    gap: bool


@dataclass(frozen=True, kw_only=True)
class Runs:
    """A Job that runs, because there has not been one like it yet."""

    job: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Everything that is different; all of it is empty when nothing is."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    restarts: tuple[Restart, ...] = ()
    runs: tuple[Runs, ...] = ()
    refused: tuple[str, ...] = ()
    """What Kubernetes will not do, each with the reason."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any((self.added, self.removed, self.changed, self.restarts, self.runs))


Flat = Mapping[str, Any]


def compare(before: Mapping[Key, Object], after: Mapping[Key, Object]) -> Changes:
    """Return what is different. Jobs are told by what they run: their names have a sum in them."""
    jobs = (_jobs(before), _jobs(after))
    old, new = _others(before), _others(after)
    both = sorted(set(old) & set(new))
    differing = {one: _difference(old[one], new[one]) for one in both}
    settings = _settings(differing)
    return Changes(
        added=tuple(str(one) for one in sorted(set(new) - set(old))),
        removed=tuple(str(one) for one in sorted(set(old) - set(new))),
        changed=tuple(_gathered(differing)),
        restarts=tuple(_restarts(differing, new, settings)),
        runs=tuple(_runs(*jobs, settings)),
        refused=tuple(_refused(differing)),
    )


def _jobs(manifest: Mapping[Key, Object]) -> dict[str, tuple[Key, Object]]:
    return {objects.of_job(one.name): (one, manifest[one]) for one in manifest if one.kind == "Job"}


def _others(manifest: Mapping[Key, Object]) -> dict[Key, Object]:
    return {one: value for one, value in manifest.items() if one.kind != "Job"}


Difference = dict[str, tuple[Any, Any]]


def _difference(old: Object, new: Object) -> Difference:
    """Return path → before and after, of every field that is not the same."""
    one, two = dict(objects.flat(old)), dict(objects.flat(new))
    paths = dict.fromkeys([*one, *two])
    pairs = {path: (one.get(path, _NOTHING), two.get(path, _NOTHING)) for path in paths}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def _settings(differing: Mapping[Key, Difference]) -> list[str]:
    """Name the settings that changed: a pod's sum over them says only that some did."""
    found = [path for one, fields in differing.items() if one.kind == "ConfigMap" for path in fields]
    return sorted(path.split("cluster.json].", 1)[1] for path in found if "cluster.json]." in path)


def _gathered(differing: Mapping[Key, Difference]) -> Iterable[Change]:
    """Tell a change that many objects have in common once; sums are told by what they are sums of."""
    gathered: dict[tuple[str, str, str], list[str]] = {}
    for one, fields in differing.items():
        for path, (old, new) in fields.items():
            if not _SUM.search(path):
                gathered.setdefault((path, _short(old), _short(new)), []).append(str(one))
    for (path, old, new), names in gathered.items():
        yield Change(objects=tuple(names), field=path, before=old, after=new)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"


def _restarts(differing: Mapping[Key, Difference], new: Mapping[Key, Object], settings: list[str]) -> Iterable[Restart]:
    for one, fields in differing.items():
        if one.kind not in objects.WORKLOADS:
            continue
        causes = _causes(fields, "spec.template.", settings)
        if causes:
            strategy = (new[one]["spec"].get("strategy") or {}).get("type", "RollingUpdate")
            gap = one.kind == "StatefulSet" or strategy == "Recreate"
            yield Restart(workload=str(one), why=", ".join(causes), gap=gap)


def _runs(
    old: Mapping[str, tuple[Key, Object]], new: Mapping[str, tuple[Key, Object]], settings: list[str]
) -> Iterable[Runs]:
    for name, (one, value) in sorted(new.items()):
        if name not in old:
            yield Runs(job=one.name, why="it is new")
        elif old[name][0] != one:
            causes = _causes(_difference(old[name][1], value), "spec.template.", settings)
            yield Runs(job=one.name, why=", ".join(causes) or "what it runs has changed")


def _causes(fields: Difference, below: str, settings: list[str]) -> list[str]:
    """Say in a few words why a pod is not what it was."""
    found: dict[str, None] = {}
    for path, (old, new) in fields.items():
        if not path.startswith(below):
            continue
        inner = path.removeprefix(below)
        if total := _SUM.search(inner):
            found[", ".join(_summed(total[1], settings)) or "what it is configured from"] = None
        elif inner.endswith("].image"):
            found[f"image {_tag(old)} → {_tag(new)}"] = None
        elif not path.startswith(_TOLD_ELSEWHERE):
            found[f"{_field(inner)} {_short(old)} → {_short(new)}"] = None
    return list(found)


def _summed(total: str, settings: list[str]) -> list[str]:
    """Name what changed of that which a sum is of: one section of the settings, or all that is no setting."""
    if total.startswith("settings."):
        return [one for one in settings if one.startswith(f"{total}.")]
    return [one for one in settings if not one.startswith("settings.")]


def _tag(image: Any) -> str:
    return str(image).rsplit("/", 1)[-1]


def _field(path: str) -> str:
    return path.removeprefix("spec.").replace("containers[", "", 1).replace("]", "", 1)


def _refused(differing: Mapping[Key, Difference]) -> Iterable[str]:
    for one, fields in differing.items():
        for path, (old, new) in fields.items():
            if one.kind in objects.WORKLOADS and path.startswith(_FIXED):
                yield f"{one}: {path} is {_short(old)}, and Kubernetes does not change it (to {_short(new)})"
            if one.kind == "PersistentVolumeClaim" and path.startswith("spec.") and not _grows(path, old, new):
                yield f"{one}: {path} of a volume stays {_short(old)}; it cannot become {_short(new)}"


def _grows(path: str, old: Any, new: Any) -> bool:
    return path.endswith("resources.requests.storage") and objects.quantity(new) >= objects.quantity(old)
