"""How findings are shown, wherever they were found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehold.errors import Finding

_MARKS = {"ok": Text("ok", "green"), "warning": Text("warning", "yellow"), "problem": Text("problem", "red")}


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a table, each remedy below what it mends."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        text = finding.text + (f"\n→ {finding.remedy}" if finding.remedy else "")
        table.add_row(_MARKS[finding.level], finding.subject, Text(text))
    console.print(table)


def as_json(findings: Sequence[Finding]) -> str:
    """Return them as JSON."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def conclude(findings: Sequence[Finding], console: Console | None) -> None:
    """End with exit code 1 when there is a problem; say how many on the console, if any."""
    problems = sum(finding.level == "problem" for finding in findings)
    if not problems:
        return
    if console is not None:
        console.print(f"{problems} problem{'' if problems == 1 else 's'}", style="red", highlight=False)
    raise click.exceptions.Exit(1)
