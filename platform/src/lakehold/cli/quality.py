"""``lakehold quality``: run gates by hand, look at what gates found, propose a suite."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from lakehold.cli.context import Context
from lakehold.cli.engine import engine
from lakehold.errors import ConfigError

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_SUITE = click.option("--suite", default="", help="Only this suite.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_DAYS = click.option("--days", type=click.IntRange(1), default=90, show_default=True, help="Only gates this recent.")


@click.group()
def quality() -> None:
    """Gates: run one, see what was found, propose a suite from the data."""


@quality.command()
@click.argument("suite")
@click.option("--from", "start", type=_DAY, required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "end", type=_DAY, default=None, help="The day after the last; by default one day is judged.")
def run(suite: str, start: datetime, end: datetime | None) -> None:
    """Run a suite over the days [--from, --to), as the operator Gate does; exit code 7 when it stops.

    \b
    Example:
      lakehold quality run silver_flights --from 2013-01-01 --to 2013-02-01
    """
    context = Context()
    last = end or start + timedelta(days=1)
    _pass_on(
        context,
        "lakehold.quality.run",
        *("--suite", suite, "--suites", str(context.checkout / "quality")),
        *("--from", f"{start:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}"),
    )


@quality.command()
@_SUITE
@_DAYS
@_JSON
def show(suite: str, days: int, as_json: bool) -> None:
    """Show every rule of the latest run of each suite."""
    flags = ["--json"] if as_json else []
    _pass_on(Context(), "lakehold.quality.history", "--latest", "--suite", suite, "--days", str(days), *flags)


@quality.command()
@_SUITE
@click.option("--table", default="", help="Results of the rules of this table (schema.table).")
@click.option("--rule", default="", help="Results of the rule of this name.")
@_DAYS
@click.option("--limit", type=click.IntRange(1), default=25, show_default=True, help="Most lines.")
@_JSON
def history(suite: str, table: str, rule: str, days: int, limit: int, as_json: bool) -> None:
    """List gates, newest first; with --rule or --table, how its rules came out each time."""
    chosen = ["--suite", suite, "--table", table, "--rule", rule, "--days", str(days), "--limit", str(limit)]
    _pass_on(Context(), "lakehold.quality.history", *chosen, *(["--json"] if as_json else []))


@quality.command()
@click.argument("table")
@click.option("--rows", default="", help="SQL condition: profile these rows only.")
@click.option("--output", type=click.Path(dir_okay=False), default=None, help="Write it there; nothing is replaced.")
def propose(table: str, rows: str, output: str | None) -> None:
    """Print a first suite for TABLE (schema.table), made from a profile of its data, for a person to edit.

    \b
    Example:
      lakehold quality propose gold.delays --output quality/delays.yml
    """
    if table.count(".") != 1:
        raise ConfigError(f"{table!r} is no table.", why="expected schema.table", remedy="lakehold sql 'show schemas'")
    where = ["--output", output] if output else []
    _pass_on(Context(), "lakehold.quality.propose", table, "--rows", rows, *where)


@quality.command()
@click.argument("suites", nargs=-1)
def check(suites: tuple[str, ...]) -> None:
    """Read SUITES (all by default) as a gate would, without running them: exit code 3 when one is not understood."""
    context = Context()
    folder = context.checkout / "quality"
    paths = [folder / f"{Path(suite).stem}.yml" for suite in suites] or sorted(folder.glob("*.yml"))
    _pass_on(context, "lakehold.quality.check", *map(str, paths))


def _pass_on(context: Context, module: str, *arguments: str) -> None:
    if code := engine(context.existing_site(), module, *arguments):
        raise click.exceptions.Exit(code)
