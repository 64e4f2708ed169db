"""``lakehold doctor``: find out why an installation does not work."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict

import click
from rich.table import Table
from rich.text import Text

from lakehold import __version__
from lakehold.cli.context import OUT, Context
from lakehold.local.doctor import examine

_MARKS = {"ok": Text("ok", "green"), "warning": Text("warning", "yellow"), "problem": Text("problem", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of findings.")
def doctor(as_json: bool) -> None:
    """Examine the installation: disk, memory, limits, clock, artifacts, Java, modes, ports, listeners, every service.

    Each finding says how to mend it. Exits with 1 when there is a problem; warnings alone exit with 0.

    \b
    Examples:
      lakehold doctor
      lakehold doctor --json
    """
    context = Context()
    findings = examine(context.site, context.components)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        OUT.print(
            f"lakehold {__version__}, Python {sys.version.split()[0]}, {platform.platform()}, {context.checkout}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in findings:
            text = finding.text + (f"\n→ {finding.remedy}" if finding.remedy else "")
            table.add_row(_MARKS[finding.level], finding.subject, Text(text))
        OUT.print(table)
    problems = sum(finding.level == "problem" for finding in findings)
    if problems:
        OUT.print(
            f"{problems} problem{'' if problems == 1 else 's'}", style="red", highlight=False
        ) if not as_json else None
        raise click.exceptions.Exit(1)
