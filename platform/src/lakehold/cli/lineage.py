"""``lakehold lineage``: list runs, jobs, datasets and events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import OUT
from lakehold.cli.lineage_coverage import coverage
from lakehold.cli.lineage_graph import assert_, diff, impact, show
from lakehold.cli.lineage_page import page
from lakehold.cli.lineage_sinks import letters, replay, sinks
from lakehold.cli.lineage_site import LineageSite, moment

_STATE_STYLES = {"COMPLETE": "green", "FAIL": "red", "ABORT": "yellow", "RUNNING": "cyan", "CLOSED": "dim"}
_LONG = {"job", "dataset", "namespace", "inputs → outputs", "parent", "reason", "begins with"}
"""Columns that may break over lines where the terminal is narrow."""
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, instead of a table.")
_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="Most rows.")

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str | Text]]


@click.group()
def lineage() -> None:
    """What ran, what it read and what it wrote."""


@lineage.command()
@click.option("--job", default="", help="Only jobs whose name contains this.")
@click.option("--dataset", default="", help="Only runs that read or wrote a dataset whose name contains this.")
@click.option("--state", default="", help="Only runs in this state: RUNNING, COMPLETE, FAIL, ABORT or CLOSED.")
@click.option("--parent", default="", help="Only runs started by the run of this id.")
@click.option("--since", default="", help="Only runs begun at or after this time (ISO 8601).")
@_LIMIT
@_AS_JSON
def runs(as_json: bool, **filters: str | int) -> None:
    """Runs, newest first."""
    columns: list[Column] = [
        ("job", lambda row: row["job_name"]),
        ("state", lambda row: Text(row["state"], style=_STATE_STYLES.get(row["state"], ""))),
        ("started (UTC)", lambda row: moment(row["started_at"])),
        ("duration", lambda row: duration(row["started_at"], row["ended_at"])),
        ("inputs → outputs", flow),
        ("parent", lambda row: row["parent_job_name"] or ""),
    ]
    _show("runs", filters, columns, as_json)


@lineage.command()
@click.option("--name", default="", help="Only jobs whose name contains this.")
@click.option("--namespace", default="", help="Only jobs of this namespace.")
@_LIMIT
@_AS_JSON
def jobs(as_json: bool, **filters: str | int) -> None:
    """Jobs, the latest active first."""
    columns: list[Column] = [
        ("namespace", lambda row: row["namespace"]),
        ("job", lambda row: row["name"]),
        ("runs", lambda row: str(row["runs"])),
        ("latest", lambda row: Text(row["state"] or "", style=_STATE_STYLES.get(row["state"] or "", ""))),
        ("last seen (UTC)", lambda row: moment(row["last_seen"])),
    ]
    _show("jobs", filters, columns, as_json)


@lineage.command()
@click.option("--name", default="", help="Only datasets whose name contains this.")
@click.option("--namespace", default="", help="Only datasets of this namespace.")
@_LIMIT
@_AS_JSON
def datasets(as_json: bool, **filters: str | int) -> None:
    """Datasets, the latest touched first."""
    columns: list[Column] = [
        ("namespace", lambda row: row["namespace"]),
        ("dataset", lambda row: row["name"]),
        ("written by", lambda row: f"{row['written_by_runs']} runs"),
        ("read by", lambda row: f"{row['read_by_runs']} runs"),
        ("last seen (UTC)", lambda row: moment(row["last_seen"])),
    ]
    _show("datasets", filters, columns, as_json)


@lineage.command()
@click.option("--job", default="", help="Only events of jobs whose name contains this.")
@click.option("--run", default="", help="Only events of the run of this id.")
@click.option("--type", default="", help="Only events of this type: START, RUNNING, COMPLETE, FAIL, ABORT, OTHER.")
@click.option("--rejected", is_flag=True, help="List what was sent but is no OpenLineage event, with the reason.")
@_LIMIT
@_AS_JSON
def events(as_json: bool, rejected: bool, **filters: str | int) -> None:
    """Events as they were received, newest first."""
    if rejected:
        aside: list[Column] = [
            ("last seen (UTC)", lambda row: moment(row["last_seen"])),
            ("times", lambda row: str(row["seen"])),
            ("reason", lambda row: row["reason"]),
            ("begins with", lambda row: row["beginning"]),
        ]
        _show("rejected", {"limit": filters["limit"]}, aside, as_json)
        return
    columns: list[Column] = [
        ("id", lambda row: str(row["event_id"])),
        ("time (UTC)", lambda row: moment(row["event_time"])),
        ("type", lambda row: row["event_type"] or row["kind"]),
        ("job", lambda row: row["job_name"] or ""),
        ("inputs → outputs", flow),
        ("bytes", lambda row: str(row["bytes"])),
    ]
    _show("events", filters, columns, as_json)


def _show(list_: str, filters: Mapping[str, str | int], columns: Sequence[Column], as_json: bool) -> None:
    rows = LineageSite().rows(list_, filters)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        asked = any(value for key, value in filters.items() if key != "limit")
        OUT.print(f"No {list_} match." if asked else f"No {list_} yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, _ in columns:
        table.add_column(name, overflow="fold", no_wrap=name not in _LONG)
    for row in rows:
        table.add_row(*[_plain(cell(row)) for _, cell in columns])
    OUT.print(table)


def _plain(cell: str | Text) -> Text:
    """Keep square brackets in names from being read as markup."""
    return cell if isinstance(cell, Text) else Text(cell)


def duration(start: str | None, end: str | None) -> str:
    """Return what lies between two times of the service as a person says it; empty while there is no end."""
    if start is None or end is None:
        return ""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def flow(row: Row) -> str:
    """Return ``a, b → c``, with the short names of a row's datasets."""
    sides = [", ".join(_short(item) for item in row[side]) for side in ("inputs", "outputs")]
    return " → ".join(side or "·" for side in sides) if any(sides) else ""


def _short(dataset: Any) -> str:
    name = str(dataset["name"] if isinstance(dataset, dict) else dataset[1])
    return name if len(name) <= 60 else "…" + name[-59:]


for _verb in (coverage, show, impact, diff, assert_, page, letters, replay, sinks):
    lineage.add_command(_verb)
