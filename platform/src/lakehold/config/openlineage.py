"""The frame of OpenLineage's events, for our programs that tell of themselves; the standard library only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lakehold import __version__
from lakehold.config.ancestry import Ancestor, Ancestry

_SPEC = "https://openlineage.io/spec"
_CORE = "OpenLineage"


def producer(program: str) -> str:
    """Return who makes an event; a reserved name, because nothing of the platform has an address on the internet."""
    return f"https://lakehold.invalid/{__version__}/{program}"


def head(kind: str, at: datetime, by: str) -> dict[str, Any]:
    """Return what every run event begins with: its type, its time and its producer."""
    return {
        "eventType": kind,
        "eventTime": moment(at),
        "producer": by,
        "schemaURL": f"{_SPEC}/2-0-2/{_CORE}.json#/$defs/RunEvent",
    }


def facet(by: str, version: str, name: str, *, file: str = "") -> dict[str, Any]:
    """Return what every facet has: its producer and its schema, which is in a file of another name at times."""
    path = f"{version}/{file}" if file == _CORE else f"facets/{version}/{file or name}"
    return {"_producer": by, "_schemaURL": f"{_SPEC}/{path}.json#/$defs/{name}"}


def run_of(one: Ancestor) -> dict[str, Any]:
    """Return a run with its job, as facets name it."""
    return {"run": {"runId": one.run}, "job": {"namespace": one.namespace, "name": one.job}}


def parent(by: str, who: Ancestry) -> dict[str, Any]:
    """Return the facet that names the run which started this one, by its key; nothing when nobody did."""
    if who.task is None:
        return {}
    root = {"root": run_of(who.root)} if who.root else {}
    return {"parent": {**facet(by, "1-2-0", "ParentRunFacet"), **run_of(who.task), **root}}


def moment(when: datetime) -> str:
    """Return a time with exactly three digits and Z: what every reader of OpenLineage understands."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
