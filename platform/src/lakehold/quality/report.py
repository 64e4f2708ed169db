"""What a gate found: a table for people, JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Any

from lakehold.quality.suite import Suite
from lakehold.quality.validation import Finding

_WIDTH = 110


def verdict(finding: Finding) -> str:
    """Say in one word how a rule came out: ``ok``, ``warn`` or ``BLOCK``."""
    return "ok" if finding.met else finding.rule.severity.replace("block", "BLOCK")


def table(findings: Sequence[Finding]) -> str:
    """Lay out the findings, one rule a line; below a broken rule what was seen, what breaks and whom to ask."""
    width = max((len(finding.rule.id) for finding in findings), default=4)
    lines = [f"{'':5}  {'rule':{width}}  table"]
    for finding in findings:
        lines.append(f"{verdict(finding):5}  {finding.rule.id:{width}}  {finding.table}")
        if not finding.met:
            rule = finding.rule
            told = (f"seen:   {finding.seen}", f"breaks: {' '.join(rule.breaks.split())}", f"owner:  {rule.owner}")
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
                "seen": finding.seen,
            }
            for finding in findings
        ],
    }
    return json.dumps(report, indent=2) + "\n"
