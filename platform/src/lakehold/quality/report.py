"""What a gate found: a table for people, JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Any

from lakehold.quality.finding import Finding
from lakehold.quality.suite import Suite

_WIDTH = 110


def table(findings: Sequence[Finding]) -> str:
    """Lay out the findings, one rule a line; below a broken rule what was seen, what breaks and whom to ask."""
    width = max((len(finding.rule.id) for finding in findings), default=4)
    word = max((len(finding.outcome) for finding in findings), default=5)
    lines = [f"{'':{word}}  {'rule':{width}}  table"]
    for finding in findings:
        lines.append(f"{finding.outcome:{word}}  {finding.rule.id:{width}}  {finding.table}")
        told = [f"moved:  {finding.quarantined} rows to quarantine"] if finding.quarantined else []
        told += [f"seen:   {finding.seen}"] if finding.seen else []
        if not finding.met:
            told += [f"breaks: {' '.join(finding.rule.breaks.split())}", f"owner:  {finding.rule.owner}"]
        lines += [line for text in told for line in textwrap.wrap(text, _WIDTH, **_INDENT)]
    return "\n".join(lines)


_INDENT: dict[str, Any] = {"initial_indent": " " * 7, "subsequent_indent": " " * 15}


def as_json(suite: Suite, start: date, end: date, findings: Sequence[Finding]) -> str:
    """Write the outcome of one gate."""
    report = {
        "suite": suite.name,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "passed": not any(finding.blocks for finding in findings),
        "findings": [
            {
                "table": finding.table,
                "rule": finding.rule.id,
                "expectation": finding.rule.expect,
                "severity": finding.rule.severity,
                "owner": finding.rule.owner,
                "met": finding.met,
                "outcome": finding.outcome,
                "rows": finding.rows,
                "unexpected": finding.unexpected,
                "observed": finding.observed,
                "quarantined": finding.quarantined,
                "seen": finding.seen,
            }
            for finding in findings
        ],
    }
    return json.dumps(report, indent=2) + "\n"
