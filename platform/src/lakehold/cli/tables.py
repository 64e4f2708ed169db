"""``lakehold tables``: shadows of runs, the history of tables, and ways back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import OUT, Context
from lakehold.cli.engine import ask, engine
from lakehold.cli.lineage_site import moment
from lakehold.cli.tables_maintain import maintain, plan, status

PROGRAM = "lakehold.tables.run"
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, instead of a table.")
_DRY = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
_KINDS = {"publish": "green", "rollback": "yellow", "tag": "dim"}


@click.group()
def tables() -> None:
    """What is being written and not published yet, what happened to a table, and how to undo it.

    \b
    A run writes to a shadow of each schema, gates judge the shadow, and publishing moves all its tables at once:
      lakehold tables shadows                 which runs have not published yet
      lakehold tables history gold.delays     who changed the table when
      lakehold tables rollback RUN            take a publication back, whole
    """


@tables.command()
@_AS_JSON
def shadows(as_json: bool) -> None:
    """List live shadows: what runs have cloned and neither published nor given up.

    While a shadow lives, neither its tables nor their originals can be dropped or renamed, for they have the same
    files. A run that died leaves its shadow; the next run of its DAG clears it, or you do.

    \b
    Examples:
      lakehold tables shadows
      lakehold sql "select * from gold__audit_0123456789.delays"      look into one
      lakehold tables discard "flights_daily/manual__2013-01-01"      give one up
    """
    found = ask(Context().existing_site(), PROGRAM, "shadows", "--json")
    if as_json:
        OUT.print_json(data=found)
        return
    if not found:
        OUT.print("No shadows: every run has published or given up.")
        return
    rows = [
        (
            row["run"],
            row["group"],
            moment(row["created_at"]),
            ", ".join(row["schemas"].values()),
            str(len(row["tables"])),
        )
        for row in found
    ]
    _show(("run", "group", "since (UTC)", "shadow schemas", "tables"), rows)


@tables.command()
@click.argument("run")
@click.option("--group", default=None, help="Only the shadow of this group of the run; by default all of them.")
@_DRY
def discard(run: str, group: str | None, dry_run: bool) -> int:
    """Give up the shadows of RUN: what it wrote is not published, and its tables are free again.

    What is published stays as it is, and no file is deleted: maintenance removes what only the shadow had below a
    published table's folder, as orphans. The folders of tables that were new in it are named, for you to remove.

    \b
    Examples:
      lakehold tables discard "flights_daily/manual__2013-01-01" --dry-run
      lakehold tables discard "flights_daily/manual__2013-01-01"
    """
    chosen = [] if group is None else ["--group", group]
    return engine(Context().existing_site(), PROGRAM, "discard", "--run", run, *chosen, *_dry(dry_run))


@tables.command()
@click.argument("table", metavar="SCHEMA.TABLE")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True, help="Most lines.")
@_AS_JSON
def history(table: str, limit: int, as_json: bool) -> None:
    """Tell what happened to a table: every write with its engine, every publication with its run, every way back.

    The snapshot that readers see now is marked with a star.

    \b
    Examples:
      lakehold tables history gold.delays
      lakehold sql "select count(*) from gold.delays for version as of 8420398420983420983"
    """
    found = ask(Context().existing_site(), PROGRAM, "history", table, "--json")[:limit]
    if as_json:
        OUT.print_json(data=found)
        return
    _show(("", "time (UTC)", "what", "snapshot", "rows", "by", "tags"), [_event(row) for row in found])


def _event(row: Mapping[str, Any]) -> Sequence[str | Text]:
    style = _KINDS.get(str(row["kind"]).split(",")[0], "")
    rows = "" if row["rows"] is None else f"{row['rows']:,}"
    star = Text("*", style="bold green") if row["current"] else ""
    at = datetime.fromisoformat(row["at"]).strftime("%Y-%m-%d %H:%M:%S")
    return star, at, Text(row["kind"], style=style), row["snapshot"] or "", rows, row["by"], ", ".join(row["tags"])


@tables.command()
@click.argument("what", metavar="RUN|SCHEMA.TABLE")
@click.option("--to", default=None, help="Of a table: a snapshot, a time (UTC) or a run. Of a run: before or after it.")
@_DRY
def rollback(what: str, to: str | None, dry_run: bool) -> int:
    """Take the publication of a run back, all its tables at once, or bring one table back.

    Nothing is deleted: what is taken back is still in the tables' history, and `--to after` puts it in force again. A
    table that was new with the run leaves the catalog; its files stay. When somebody has changed one of the tables
    since, nothing is taken back, and you are told who (exit code 9); compaction does not count as a change.

    \b
    Examples:
      lakehold tables rollback "flights_daily/manual__2013-01-01" --dry-run
      lakehold tables rollback "flights_daily/manual__2013-01-01"
      lakehold tables rollback "flights_daily/manual__2013-01-01" --to after
      lakehold tables rollback gold.delays --to 2013-01-02T06:00
      lakehold tables rollback gold.delays --to 8420398420983420983
    """
    chosen = [] if to is None else ["--to", to]
    return engine(Context().existing_site(), PROGRAM, "rollback", what, *chosen, *_dry(dry_run))


def _count(names: Sequence[str]) -> str:
    return str(len(names))


def _dry(dry_run: bool) -> list[str]:
    return ["--dry-run"] if dry_run else []


def _show(names: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in ("rows", "tables") else "left")
    for row in rows:
        table.add_row(*[cell if isinstance(cell, Text) else Text(cell) for cell in row])
    OUT.print(table)


for _verb in (status, plan, maintain):
    tables.add_command(_verb)
