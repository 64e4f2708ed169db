"""``lakehold lineage sinks``, ``letters`` and ``replay``: who is told, what they refused, and telling them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import OUT
from lakehold.cli.lineage_site import LineageSite, moment
from lakehold.errors import DataError

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, instead of a table.")
_NONE = "No sinks: name one in lakehold.toml (openlineage.url, openmetadata.url), then `lakehold up lineage`."


@click.command()
@click.option("--forget", metavar="SINK", default="", help="Drop a sink that is no longer in the settings.")
@_AS_JSON
def sinks(forget: str, *, as_json: bool) -> None:
    """Who is told of lineage, how far behind each is, and why.

    A sink that was taken out of the settings keeps what it was not told from being removed by retention (for twice
    lineage.events_days), until it is forgotten.
    """
    if forget:
        _order("DELETE", f"sinks/{forget}")
        OUT.print(f"{forget} is forgotten, with its letters.")
        return
    rows = LineageSite().ask("sinks", {})["sinks"]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        OUT.print(_NONE)
    else:
        _table(rows)


@click.command()
@click.argument("sink", default="")
@click.option("--all", "also_replayed", is_flag=True, help="Also those that were sent again and taken.")
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="Most rows.")
@_AS_JSON
def letters(sink: str, limit: int, *, also_replayed: bool, as_json: bool) -> None:
    """What sinks refused for good, with the reason, newest first."""
    asked: dict[str, str | int] = {"sink": sink, "limit": limit, "all": "1" if also_replayed else ""}
    rows = LineageSite().ask("letters", asked)["letters"]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        OUT.print("Nothing was refused.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("letter", "sink", "what", "since (UTC)", "reason"):
        table.add_column(name, overflow="fold", no_wrap=name != "reason")
    for row in rows:
        cells = (str(row["letter_id"]), row["sink"], row["item"], moment(row["at"]), row["reason"])
        table.add_row(*[Text(cell) for cell in cells])
    OUT.print(table)


@click.command()
@click.argument("sink")
@click.option("--letter", "ids", type=int, multiple=True, help="Only this one; may be given again.")
@click.option("--everything", is_flag=True, help="Not only letters: tell it everything there is once more.")
def replay(sink: str, ids: tuple[int, ...], *, everything: bool) -> None:
    """Send a sink again what it refused, once, after the cause was mended; and try at once if it waits."""
    if everything and ids:
        raise click.UsageError("--everything and --letter exclude each other.")
    wanted: dict[str, Any] = {"everything": True} if everything else {"letters": list(ids)} if ids else {}
    answer = _order("POST", f"sinks/{sink}/replay", wanted)
    if everything:
        OUT.print(f"{sink} is told everything again; `lakehold lineage sinks` shows how far it is.")
    else:
        OUT.print(f"{answer['letters']} letters are sent to {sink} again; `lakehold lineage letters` shows what stays.")


def _order(method: str, path: str, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        return LineageSite().order(method, path, wanted)
    except DataError as problem:
        raise DataError(problem.why or problem.what, remedy="lakehold lineage sinks") from None


def _table(rows: list[Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("sink", "behind", "oldest", "told", "letters", "last success (UTC)", "state"):
        table.add_column(name, overflow="fold", no_wrap=name != "state")
    for row in rows:
        table.add_row(
            row["name"],
            str(row["behind"]),
            f"{row['behind_seconds']:.0f} s" if row["behind"] else "",
            str(row["delivered"]),
            Text(str(row["letters"]), style="red" if row["letters"] else ""),
            moment(row["last_success"]),
            _state(row),
        )
    OUT.print(table)


def _state(row: Mapping[str, Any]) -> Text:
    if row["attempts"]:
        return Text(f"failed {row['attempts']} times: {row['last_error']}", style="red")
    if row["backfill"] is not None:
        return Text("is told everything there is", style="cyan")
    return Text("up to date", style="green") if not row["behind"] else Text("catching up", style="cyan")
