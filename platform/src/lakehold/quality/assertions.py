"""Tells the lineage service what a gate found: one OpenLineage run with the facet ``dataQualityAssertions``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehold import __version__
from lakehold.config.platform import LineageAddress, TrinoAddress
from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Caller, Outcome

_PRODUCER = f"https://lakehold.invalid/{__version__}/quality"
"""Who made the event; a reserved name, because nothing of the platform has an address on the internet."""
_SPEC = "https://openlineage.io/spec"
_SECONDS = 1.0
"""The most a gate waits for the lineage service."""


def event(outcome: Outcome, lineage: LineageAddress, trino: TrinoAddress) -> dict[str, Any]:
    """Return the COMPLETE event of a gate; tables are named as readers and Trino's own events name them.

    A gate that stops a run is a COMPLETE as well: it did its work, and its facet says what it found.
    """
    ended = outcome.began + timedelta(seconds=outcome.seconds)
    tables = list(dict.fromkeys(found.table for found in outcome.findings))
    return {
        "eventType": "COMPLETE",
        "eventTime": _moment(ended),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": outcome.gate, "facets": _parent(outcome.caller)},
        "job": {"namespace": lineage.namespace, "name": f"quality.{outcome.suite.name}"},
        "inputs": [
            {
                "namespace": f"trino://{trino.host}:{trino.port}",
                "name": f"{trino.catalog}.{table}",
                "inputFacets": _facets([found for found in outcome.findings if found.table == table]),
            }
            for table in tables
        ],
        "outputs": [],
    }


def send(event: Mapping[str, Any], lineage: LineageAddress) -> str:
    """Send ``event``; returns why it did not arrive, or nothing. Never waits longer than a second, never raises."""
    request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
        f"{lineage.url}/api/v1/lineage",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {lineage.token}", "Content-Type": "application/json"},
    )
    try:
        # The machine's proxy variables are not for a service on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS):
            return ""
    except (urllib.error.URLError, OSError, ValueError) as error:
        return str(error)


def _facets(findings: list[Finding]) -> dict[str, Any]:
    facets = {"dataQualityAssertions": _facet("1-1-0", "DataQualityAssertionsDatasetFacet")}
    facets["dataQualityAssertions"]["assertions"] = [_assertion(found) for found in findings]
    rows = [found.rows for found in findings if found.rows is not None]
    if rows:
        facets["dataQualityMetrics"] = {
            **_facet("1-0-3", "DataQualityMetricsInputDatasetFacet"),
            "rowCount": max(rows),
            "columnMetrics": {},
        }
    return facets


def _assertion(found: Finding) -> dict[str, Any]:
    rule = found.rule
    said = {
        "assertion": rule.expect,
        "success": found.met,
        "severity": {"block": "error", "warn": "warn"}[rule.severity],
        "name": rule.id,
        "description": " ".join(rule.breaks.split()),
    }
    column = rule.arguments.get("column")
    actual = found.seen or found.observed or (f"{found.unexpected} rows" if found.unexpected is not None else "")
    return said | ({"column": column} if column else {}) | ({"actual": actual} if actual else {})


def _parent(who: Caller) -> dict[str, Any]:
    if who.parent.count("/") != 2:
        return {}
    namespace, job, run = who.parent.split("/")
    facet = {
        **_facet("1-2-0", "ParentRunFacet"),
        "run": {"runId": run},
        "job": {"namespace": namespace, "name": job},
    }
    if who.root.count("/") == 2:
        namespace, job, run = who.root.split("/")
        facet["root"] = {"run": {"runId": run}, "job": {"namespace": namespace, "name": job}}
    return {"parent": facet}


def _facet(version: str, name: str) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}"}


def _moment(when: datetime) -> str:
    # Exactly three digits and Z: what every reader of OpenLineage understands.
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
