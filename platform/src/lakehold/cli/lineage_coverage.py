"""``lakehold lineage coverage``: which snapshots of the tables no run explains."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import ERR, OUT
from lakehold.cli.lineage_site import LineageSite, moment
from lakehold.errors import DataError, DifferenceError

_STYLES = {"partly": "yellow", "unexplained": "red"}

Answer = Mapping[str, Any]


@click.command()
@click.argument("table", metavar="[TABLE|SCHEMA]", default="")
@click.option("--since", default="", metavar="DATE", help="Only snapshots committed at or after this time (ISO 8601).")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most missing ones shown."
)
@click.option(
    "--at-least", type=click.FloatRange(0, 100), default=None, metavar="PERCENT", help="Fail when less is explained."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, as the service answers it.")
def coverage(table: str, since: str, limit: int, at_least: float | None, *, as_json: bool) -> None:
    """How many Iceberg snapshots are explained by a run, and what is known of those that are not.

    \b
    A snapshot is
      explained    a run is known that says it wrote the table
      partly       its run is known, but not what the run read
      unexplained  no run of it was reported
    """
    answer = LineageSite().ask("coverage", {"table": table, "since": since, "limit": limit})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        _print(answer)
    _refuse(answer, table, at_least)


def _print(answer: Answer) -> None:
    if answer["missing"]:
        OUT.print(_missing(answer["missing"]))
        OUT.print()
    OUT.print(summary(answer), markup=False, highlight=False, soft_wrap=True)
    if answer["truncated"]:
        ERR.print("There are more than are shown; ask for more with --limit.", markup=False, highlight=False)
    for name, why in answer["unread"].items():
        ERR.print(f"{name} cannot be read: {why}", markup=False, highlight=False, soft_wrap=True)
    if answer["problem"]:
        ERR.print(f"The catalog cannot be read now: {answer['problem']}", markup=False, highlight=False, soft_wrap=True)
    if answer["behind"]:
        ERR.print(f"{answer['behind']:,} events are not worked in yet; ask again.", markup=False, highlight=False)


def summary(answer: Answer) -> str:
    """Return the counts in a sentence."""
    parts = [f"{answer['explained']:,} of {answer['snapshots']:,} snapshots are explained ({answer['percent']:g} %)"]
    if answer["rederived"]:
        parts.append(f"{answer['rederived']:,} of them by what was told again after it was lost")
    if answer["partly"]:
        parts.append(f"{answer['partly']:,} partly")
    if answer["unexplained"]:
        parts.append(f"{answer['unexplained']:,} by nothing")
    tables = len(answer["tables"])
    return "; ".join(parts) + f"; {tables} {'table' if tables == 1 else 'tables and views'}."


def _missing(rows: Sequence[Answer]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("committed (UTC)", "table", "snapshot", "operation", "state", "made by", "why"):
        table.add_column(name, overflow="fold", no_wrap=name not in ("made by", "why"))
    for row in rows:
        table.add_row(
            moment(row["at"]),
            Text(row["table"]),
            row["snapshot"],
            Text(row["operation"]),
            Text(row["state"], style=_STYLES[row["state"]]),
            Text(row["made_by"] or row["engine"] or "?"),
            Text(row["why"]),
        )
    return table


def _refuse(answer: Answer, table: str, at_least: float | None) -> None:
    if table and not answer["tables"]:
        raise DataError(
            f"No snapshot of {table} is known.",
            why="the catalog has no such table or schema, or nothing was ever written to it",
            remedy="lakehold lineage coverage",
        )
    # A table that cannot be read may have snapshots that nobody explains.
    why = answer["problem"] or "; ".join(f"{name} cannot be read" for name in answer["unread"])
    if at_least is not None and (answer["percent"] < at_least or why):
        raise DifferenceError(
            f"{answer['percent']:g} % of the snapshots are explained, less than {at_least:g} %."
            if answer["percent"] < at_least
            else "How much is explained cannot be said.",
            why=why or "the lines above name those that are not",
            remedy="lakehold lineage coverage --json",
        )
