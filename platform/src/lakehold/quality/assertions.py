"""Tells the lineage service what a gate found: one OpenLineage run with the facet ``dataQualityAssertions``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lakehold.config import openlineage, posting
from lakehold.config.platform import LineageAddress, Platform, TrinoAddress
from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Outcome
from lakehold.quality.suite import NOT_EMPTY, NOT_EMPTY_EXPECTS

_PRODUCER = openlineage.producer("quality")
_SECONDS = 0.5
"""The most a gate waits for the lineage service; what it does not take in time is posted later."""

_NOT_EMPTY = {
    "assertion": NOT_EMPTY_EXPECTS,
    "success": True,
    "severity": "error",
    "name": NOT_EMPTY,
    "description": "There were rows to judge.",
}


def event(outcome: Outcome, lineage: LineageAddress, trino: TrinoAddress) -> dict[str, Any]:
    """Return the COMPLETE event of a gate; tables are named as readers and Trino's own events name them.

    A gate that stops a run is a COMPLETE as well: it did its work, and its facet says what it found.
    """
    ended = outcome.began + timedelta(seconds=outcome.seconds)
    tables = list(dict.fromkeys(found.table for found in outcome.findings))
    return {
        **openlineage.head("COMPLETE", ended, _PRODUCER),
        "run": {"runId": outcome.gate, "facets": openlineage.parent(_PRODUCER, outcome.caller.ancestry)},
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


def send(event: Mapping[str, Any], known: Platform) -> str:
    """Send ``event``, or leave it to be posted later; returns why it did not arrive, or nothing. Never raises."""
    answer = posting.post(known.lineage, [json.dumps(event).encode()], _SECONDS)
    if not answer.why or answer.refused:
        return answer.why
    kept = posting.leave(posting.folder(known), [event])
    return f"{answer.why}; {f'nor can that be kept: {kept}' if kept else 'a later task tells it'}"


def _facets(findings: list[Finding]) -> dict[str, Any]:
    facets = {"dataQualityAssertions": _facet("1-1-0", "DataQualityAssertionsDatasetFacet")}
    said = [_assertion(found) for found in findings]
    if all(found.rule.id != NOT_EMPTY for found in findings):
        # A gate has a finding of it only where there were no rows; who shows the latest of each check needs the rest.
        said.insert(0, _NOT_EMPTY)
    facets["dataQualityAssertions"]["assertions"] = said
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


def _facet(version: str, name: str) -> dict[str, Any]:
    return openlineage.facet(_PRODUCER, version, name)
