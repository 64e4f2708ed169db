"""``lakehold tables status|plan|maintain``: what tables need, and doing it."""

from __future__ import annotations

import click

from lakehold.cli.context import Context
from lakehold.cli.engine import engine

_MODULE = "lakehold.tables.maintenance"
_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, instead of a table.")


@click.command()
@_TABLES
@_AS_JSON
def status(tables: tuple[str, ...], as_json: bool) -> int:
    """How tables are: files, deleted rows, snapshots, orphans, and what they need.

    TABLE is schema.table, or a schema for all of its tables; without one, all. Only metadata are read.

    \b
    Examples:
      lakehold tables status
      lakehold tables status gold
      lakehold tables status silver.flights --json
    """
    return _engine("status", *(["--json"] if as_json else []), *tables)


@click.command()
@_TABLES
@_AS_JSON
def plan(tables: tuple[str, ...], as_json: bool) -> int:
    """What `maintain` would do, in order, why, by which engine, and what it is expected to cost.

    maintenance.yml says what a table is entitled to.
    """
    return _engine("plan", *(["--json"] if as_json else []), *tables)


@click.command()
@_TABLES
@click.option("--dry-run", is_flag=True, help="Only say what would be done; the same as `plan`.")
@click.option(
    "--budget-seconds", type=click.IntRange(min=1), help="Time to spend; by default what maintenance.yml says."
)
def maintain(tables: tuple[str, ...], dry_run: bool, budget_seconds: int | None) -> int:
    """Do what pays: compact, expire snapshots, delete orphans, compute statistics.

    Never on a table that a run is about to publish. Before and after are recorded in ops.table_maintenance. It may be
    stopped at any moment; the next run goes on.

    \b
    Examples:
      lakehold tables maintain
      lakehold tables maintain silver --budget-seconds 600
    """
    options = [
        *(["--dry-run"] if dry_run else []),
        *(["--budget-seconds", str(budget_seconds)] if budget_seconds else []),
    ]
    return _engine("maintain", *options, *tables)


def _engine(*arguments: str) -> int:
    return engine(Context().existing_site(), _MODULE, *arguments)
