"""``lakehold lineage show|impact|diff|assert``: ask the graph of tables and columns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import ERR, OUT
from lakehold.cli.lineage_site import LineageSite
from lakehold.cli.lineage_tree import column_tree, process_names, table_tree
from lakehold.errors import DataError, DifferenceError
from lakehold.lineage.client import UnknownNameError
from lakehold.lineage.explore import golden

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, as the service answers it.")
_AT = click.option(
    "--at", default="", metavar="DATE", help="The graph as it was then: a day (its end) or a time (UTC)."
)
_UP = click.option("--up", "direction", flag_value="up", help="Only what it comes from.")
_DOWN = click.option("--down", "direction", flag_value="down", help="Only what comes from it.")
_MOST_EDGES = 10_000
_FAN = 25
"""Of the tables next to one, so many are in a tree."""

Answer = Mapping[str, Any]


@click.command()
@click.argument("name", metavar="TABLE[.COLUMN]")
@_UP
@_DOWN
@click.option("--depth", type=click.IntRange(1, 20), default=3, show_default=True, help="Most steps.")
@_AT
@click.option("--values", is_flag=True, help="Only where values come from and go to, not what decides about rows.")
@click.option(
    "--fan",
    type=click.IntRange(0, 1000),
    help=f"Most tables to go to from each; 0 for all. {_FAN} by default, all with --lines and --json.",
)
@click.option("--lines", is_flag=True, help="One edge a line, as a file for `assert` has them.")
@_AS_JSON
def show(
    name: str, direction: str | None, depth: int, at: str, fan: int | None, *, values: bool, lines: bool, as_json: bool
) -> None:
    """What a table or column comes from, and what comes from it.

    A table is schema.table; a file is s3://bucket/path, and its column follows after a #. Where a table or column
    leads to many tables, the tree goes to some of them and says how many more there are.

    \b
    Examples:
      lakehold lineage show gold.delays.mean_arr_delay --up --depth 5
      lakehold lineage show silver.flights --down
      lakehold lineage show bronze.flights.origin --at 2026-10-01
      lakehold lineage show gold.delays --up --depth 1 --lines
    """
    site = LineageSite()
    edges = "direct" if values else "all"
    asked: dict[str, str | int] = {"of": name, "depth": depth, "at": at, "edges": edges, "limit": _MOST_EDGES}
    most = fan if fan is not None else 0 if lines or as_json else _FAN
    answer = site.ask("graph", {**asked, "direction": direction or "both", "fan": most or ""})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif lines:
        click.echo("".join(f"{line}\n" for line in sorted(golden.lines(answer, site.catalog))), nl=False)
    else:
        for side in (direction,) if direction else ("up", "down"):
            is_column = answer["of"]["field"] is not None
            tree = column_tree(answer, side, site.catalog) if is_column else table_tree(answer, side)
            if not tree.children:
                tree.add(Text("nothing that is known", style="dim"))
            OUT.print(tree, soft_wrap=True)
    if answer["more"]:
        ERR.print(f"Of the tables next to one, {most} are shown; --fan 0 shows all.", style="yellow", highlight=False)
    _say_if_cut(answer, "ask for fewer steps (--depth), or for a column")


@click.command()
@click.argument("name", metavar="TABLE[.COLUMN]")
@click.option(
    "--by", type=click.Choice(["layer", "owner"]), default="layer", show_default=True, help="How to group the tables."
)
@_AT
@_AS_JSON
def impact(name: str, by: str, at: str, *, as_json: bool) -> None:
    """Everything downstream that a change of a table or column would reach, with the processes between.

    \b
    A column is reached because
      the value is in it, or
      it is decided by it (*), or
      perhaps (?): its process reads a table that is reached, and nobody knows which columns it is made from.
    """
    site = LineageSite()
    answer = site.ask("impact", {"of": name, "at": at})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    tables = answer["tables"]
    if not tables:
        OUT.print(f"Nothing is known to come from {name}.", markup=False, highlight=False)
        return
    people = sorted({owner for one in answer["processes"] for owner in one["owners"]})
    counts = f"{_count(tables)} downstream, by {_number(len(answer['processes']), 'process', 'processes')}"
    OUT.print(f"{name}: {counts}" + (f"; owners: {', '.join(people)}" if people else ""), markup=False, highlight=False)
    for group, members in _grouped(answer, by):
        OUT.print(Text(f"\n{group}: {_count(members)}", style="bold"))
        OUT.print(_impact_table(members, answer))
    _say_if_cut(answer, "ask for a column")


@click.command()
@click.argument("name", metavar="[TABLE[.COLUMN]]", default="")
@click.option("--from", "start", required=True, metavar="DATE", help="The earlier time.")
@click.option("--to", "end", default="", metavar="DATE", help="The later time; now by default.")
@_UP
@_DOWN
@click.option("--depth", type=click.IntRange(1, 20), default=1, show_default=True, help="Most steps from the table.")
@_AS_JSON
def diff(name: str, start: str, end: str, direction: str | None, depth: int, *, as_json: bool) -> None:
    """Which edges came and went between two times, around a table or column or in the whole graph.

    \b
    Examples:
      lakehold lineage diff --from 2026-10-01
      lakehold lineage diff gold.delays --from 2026-10-01 --to 2026-11-01 --up
    """
    site = LineageSite()
    asked: dict[str, str | int] = {"from": start, "to": end, "of": name, "depth": depth, "limit": _MOST_EDGES}
    answer = site.ask("changes", {**asked, "direction": direction or "both"})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    counts = []
    for key, sign, style in (("went", "-", "red"), ("came", "+", "green")):
        lines = _changed(answer, key, site.catalog)
        counts.append(len(lines))
        for line, process in lines:
            OUT.print(Text(f"{sign} {line}", style=style).append(f"  by {process}", style="dim"), soft_wrap=True)
    OUT.print(f"{counts[1]} came, {counts[0]} went.")
    _say_if_cut(answer, "ask for a table, or for times nearer to each other")


@click.command(name="assert")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, path_type=Path))
@_AT
def assert_(files: tuple[Path, ...], at: str) -> None:
    """Compare the edges into some tables with what FILE says they are; exit code 10 when they differ.

    \b
    A file is YAML:
      tables: [gold.delays]
      edges:
        - silver.flights.arr_delay -> gold.delays.mean_arr_delay AGGREGATION
        - silver.flights.carrier -> gold.delays GROUP_BY
    """
    site = LineageSite()
    asserted = [(file, golden.read(_text(file), str(file), site.catalog)) for file in files]
    differ: dict[Path, int] = {}
    for file, expected in asserted:
        for table in expected.tables:
            difference, makers = _compare(site, table, expected.lines[table], at)
            if len(difference):
                differ[file] = differ.get(file, 0) + len(difference)
            _tell(file, difference, len(expected.lines[table]), makers)
    if differ:
        raise DifferenceError(
            f"the lineage differs from {', '.join(map(str, differ))} in {_number(sum(differ.values()), 'edge')}.",
            remedy="lakehold lineage show TABLE --up --depth 1 --lines prints what there is; mend the job or the file",
        )


def _changed(answer: Answer, key: str, catalog: str) -> list[tuple[golden.Line, str]]:
    """Return the edges that came or went with their processes; what follows from another of them is left out."""
    known, processes = golden.titles(answer), process_names(answer)
    by_process: dict[str, list[golden.Line]] = defaultdict(list)
    for edge in answer[key]:
        by_process[processes[edge["process"]]].append(golden.line_of(edge, known, catalog))
    return sorted((line, process) for process, found in by_process.items() for line in golden.telling(found, catalog))


def _compare(
    site: LineageSite, table: str, expected: frozenset[golden.Line], at: str
) -> tuple[golden.Difference, dict[golden.Line, str]]:
    """Return how the edges into a table differ, and who makes each that is there."""
    try:
        answer = site.ask("graph", {"of": table, "direction": "up", "depth": 1, "at": at, "limit": _MOST_EDGES})
    except UnknownNameError:
        return golden.compare(table, expected, frozenset(), site.catalog), {}
    if answer["truncated"]:
        raise DataError(f"{table} has more than {_MOST_EDGES} edges into it.", why="they cannot be compared")
    known, processes = golden.titles(answer), process_names(answer)
    makers: dict[golden.Line, set[str]] = defaultdict(set)
    for edge in answer["edges"]:
        makers[golden.line_of(edge, known, site.catalog)].add(processes[edge["process"]])
    actual = golden.whole(makers, site.catalog)
    said = {line: ", ".join(sorted(names)) for line, names in makers.items()}
    return golden.compare(table, expected, actual, site.catalog), said


def _tell(file: Path, difference: golden.Difference, edges: int, makers: Mapping[golden.Line, str]) -> None:
    if not len(difference):
        OUT.print(
            Text("ok  ", style="green").append(f"{difference.table}: {edges} edges as {file} has them", style="default")
        )
        return
    OUT.print(Text(f"{difference.table} differs from {file}:", style="bold"))
    for line in sorted({*difference.missing, *difference.unexpected}, key=lambda line: (line.target, line.source)):
        if line in difference.missing:
            OUT.print(Text(f"  - {line}", style="red"), soft_wrap=True)
        else:
            by = f"  by {makers[line]}" if line in makers else ""
            OUT.print(Text(f"  + {line}", style="green").append(by, style="dim"), soft_wrap=True)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{file} cannot be read.", why=str(problem)) from None


def _grouped(answer: Answer, by: str) -> list[tuple[str, list[Answer]]]:
    owners = {one["id"]: one["owners"] for one in answer["processes"]}
    found: dict[str, list[Answer]] = defaultdict(list)
    for table in answer["tables"]:
        if by == "layer":
            found[table["layer"]].append(table)
        else:
            names = {owner for process in table["processes"] for owner in owners.get(process, [])}
            found[", ".join(sorted(names)) or "no owner named"].append(table)
    return list(found.items())


def _impact_table(tables: Sequence[Answer], answer: Answer) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("table", no_wrap=True)
    of_column = answer["of"]["field"] is not None
    for heading in ("columns", *(["rows"] if of_column else []), "by"):
        shown.add_column(heading, overflow="fold")
    processes = process_names(answer)
    marks = {"value": "", "decides": "*", "perhaps": "?"}
    for table in tables:
        columns = ", ".join(f"{one['name']}{marks[one['by']]}" for one in table["columns"])
        rows = ["decided by it" if table["rows"] else ""] if of_column else []
        by = ", ".join(sorted(processes[process] for process in table["processes"]))
        shown.add_row(
            *[Text(cell) for cell in (table["title"], columns or ("" if of_column else "as a whole"), *rows, by)]
        )
    return shown


def _count(tables: Sequence[Answer]) -> str:
    columns = sum(len(table["columns"]) for table in tables)
    return f"{_number(columns, 'column')} of {_number(len(tables), 'table')}"


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _say_if_cut(answer: Answer, remedy: str) -> None:
    if answer["truncated"]:
        ERR.print(f"There is more than this: {remedy}.", style="yellow", markup=False, highlight=False)
