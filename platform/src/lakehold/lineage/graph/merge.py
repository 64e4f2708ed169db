"""The events of one run as one: what START knew and COMPLETE forgot is kept, what came later counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lakehold.lineage.graph.names import raw_name

Json = dict[str, Any]

_FACETS = ("facets", "inputFacets", "outputFacets")


def merge(events: Iterable[Mapping[str, Any]]) -> Json:
    """Return one event of a run's events, which come in the order of their time.

    Every dataset that any of them names is in it, with each of its facets as it was told last. A facet that says
    nothing does not replace one that did.
    """
    run: Json = {}
    job: Json = {}
    sides: dict[str, dict[tuple[str, str], Json]] = {"inputs": {}, "outputs": {}}
    merged: Json = {}
    for event in events:
        merged["eventType"] = event.get("eventType") or merged.get("eventType")
        for key in ("eventTime", "producer"):
            merged[key] = event[key]
        _update(run, event.get("run"))
        _update(job, event.get("job"))
        for side, datasets in sides.items():
            for dataset in event.get(side) or []:
                _update(datasets.setdefault(raw_name(dataset), {}), dataset)
    merged.update(run=run, job=job, **{side: list(datasets.values()) for side, datasets in sides.items()})
    return merged


def facet(merged: Mapping[str, Any], holder: str, name: str) -> Mapping[str, Any]:
    """Return a facet of the run or the job; empty when there is none or it is malformed."""
    found = at(merged, holder, "facets", name)
    return found if isinstance(found, dict) else {}


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of JSON objects; None where something on the way is missing or no object."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _update(known: Json, told: Any) -> None:
    for key, value in told.items() if isinstance(told, dict) else ():
        if key not in _FACETS:
            known[key] = value
            continue
        facets = known.setdefault(key, {})
        for name, content in value.items() if isinstance(value, dict) else ():
            if name not in facets or _says_something(content):
                facets[name] = content


def _says_something(facet: Any) -> bool:
    if not isinstance(facet, dict):
        return False
    return any(bool(value) for key, value in facet.items() if not key.startswith("_"))
