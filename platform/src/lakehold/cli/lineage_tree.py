"""Answers of the lineage service as trees: what a column or table comes from, and what comes from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from lakehold.lineage.explore.names import column_title
from lakehold.lineage.model import Column, Table

Answer = Mapping[str, Any]
Edge = Mapping[str, Any]
_HEADINGS = {"up": "comes from", "down": "goes into"}
_MOST_EXPRESSION = 60
_MOST_NAMES = 4


def column_tree(answer: Answer, direction: str, catalog: str) -> Tree:
    """Return a column with what is next to it in a direction, what is next to that, and so on."""
    titles = column_titles(answer, catalog)
    start = answer["of"]["field"]
    near, far = ("target", "source") if direction == "up" else ("source", "target")
    steps: dict[int, list[Edge]] = defaultdict(list)
    for edge in answer["edges"]:
        # That a column is carried over as it was when its table is rewritten tells nothing.
        if edge["source"]["field"] != edge["target"]["field"]:
            steps[edge[near]["field"]].append(edge)
    processes = process_names(answer)
    tree = Tree(Text.assemble((titles[start], "bold"), f" {_HEADINGS[direction]}"))

    def label(edges: Sequence[Edge]) -> Text:
        hows = ", ".join(dict.fromkeys(edge["how"] for edge in edges if edge["how"]))
        style = "" if any(edge["direct"] for edge in edges) else "dim"
        said = Text.assemble((titles[edges[0][far]["field"]], style), "  ", (hows, "cyan"))
        return said.append(_by(edges, processes)).append(_expression(edges), style="dim")

    def groups(key: int) -> Iterable[tuple[int, Sequence[Edge]]]:
        found = _by_end(steps.get(key, ()), far)
        return sorted(found.items(), key=lambda item: (not item[1][0]["direct"], titles[item[0]]))

    _grow(tree, start, groups, label, _hidden(answer, direction, "field"))
    if direction == "up":
        whole = next((edge["target"]["field"] for edge in answer["edges"] if _about_rows(edge, answer)), None)
        rows = [edge for edge in steps.get(whole, ()) if edge["how"]] if whole is not None else []
        if rows:
            branch = tree.add(Text("and its rows are decided by", style="dim"))
            for _, edges in sorted(_by_end(rows, far).items(), key=lambda item: titles[item[0]]):
                branch.add(label(edges))
            if whole in (hidden := _hidden(answer, direction, "field")):
                branch.add(Text(_more(hidden[whole]), style="yellow"))
        _add_unknown(tree, answer)
    return tree


def table_tree(answer: Answer, direction: str) -> Tree:
    """Return a table with the tables next to it in a direction, the tables next to those, and so on."""
    nodes = {node["id"]: node for node in answer["nodes"]}
    fields = {field["id"]: field["name"] for node in answer["nodes"] for field in node["fields"]}
    near, far = ("target", "source") if direction == "up" else ("source", "target")
    steps: dict[int, list[Edge]] = defaultdict(list)
    for edge in answer["edges"]:
        if edge["source"]["node"] != edge["target"]["node"]:
            steps[edge[near]["node"]].append(edge)
    processes = process_names(answer)
    start = answer["of"]["node"]
    tree = Tree(Text.assemble((nodes[start]["title"], "bold"), f" {_HEADINGS[direction]}"))

    def groups(key: int) -> Iterable[tuple[int, Sequence[Edge]]]:
        found: dict[int, list[Edge]] = defaultdict(list)
        for edge in steps.get(key, ()):
            found[edge[far]["node"]].append(edge)
        return sorted(found.items(), key=lambda item: str(nodes[item[0]]["title"]))

    def label(edges: Sequence[Edge]) -> Text:
        title = nodes[edges[0][far]["node"]]["title"]
        names = sorted({fields[edge[far]["field"]] for edge in edges} - {""})
        shown = ", ".join(names[:_MOST_NAMES]) + (f" … {len(names)} columns" if len(names) > _MOST_NAMES else "")
        return Text.assemble(title, "  ", (shown or "as a whole", "cyan")).append(_by(edges, processes))

    _grow(tree, start, groups, label, _hidden(answer, direction, "node"))
    if direction == "up":
        _add_unknown(tree, answer)
    return tree


def column_titles(answer: Answer, catalog: str) -> dict[int, str]:
    """Return every column of an answer as it is written."""
    return {
        field["id"]: column_title(Column(Table(node["namespace"], node["name"]), field["name"]), catalog)
        for node in answer["nodes"]
        for field in node["fields"]
    }


def process_names(answer: Answer) -> dict[int, str]:
    """Return the name of every process of an answer."""
    return {process["id"]: process["name"] for process in answer["processes"]}


def _grow(
    tree: Tree,
    start: int,
    groups: Callable[[int], Iterable[tuple[int, Sequence[Edge]]]],
    label: Callable[[Sequence[Edge]], Text],
    hidden: Mapping[int, int],
) -> None:
    """Hang onto a tree what follows from ``start``; what hangs somewhere already is not hung again with all it has."""
    seen = {start}
    todo = [(tree, start)]
    while todo:
        branch, key = todo.pop(0)
        for end, edges in groups(key):
            said = label(edges)
            if end in seen:
                branch.add(said.append("  (shown elsewhere)" if any(True for _ in groups(end)) else "", style="dim"))
                continue
            seen.add(end)
            todo.append((branch.add(said), end))
        if key in hidden:
            branch.add(Text(_more(hidden[key]), style="yellow"))


def _hidden(answer: Answer, direction: str, place: str) -> dict[int, int]:
    """Return column or table → how many tables next to it are not shown."""
    return {one[place]: one["tables"] for one in answer["more"] if one["direction"] == direction}


def _more(tables: int) -> str:
    return f"and {tables:,} more table{'' if tables == 1 else 's'}"


def _add_unknown(tree: Tree, answer: Answer) -> None:
    """Say of what nobody knows where it comes from, and why."""
    columns: dict[str, list[str]] = defaultdict(list)
    for column, reason in sorted(answer["unknown"].items()):
        columns[reason].append(column or "the table")
    for reason, names in columns.items():
        told = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
        tree.add(Text(f"nobody knows what {told} made from: {reason}", style="yellow"))


def _by_end(edges: Iterable[Edge], far: str) -> dict[int, list[Edge]]:
    found: dict[int, list[Edge]] = defaultdict(list)
    for edge in sorted(edges, key=lambda edge: not edge["direct"]):
        found[edge[far]["field"]].append(edge)
    return found


def _about_rows(edge: Edge, answer: Answer) -> bool:
    """Say whether an edge is about the rows of the table that was asked for."""
    asked = answer["of"]
    return bool(edge["target"]["node"] == asked["node"] and edge["target"]["field"] != asked["field"] and edge["how"])


def _by(edges: Sequence[Edge], processes: Mapping[int, str]) -> Text:
    names = sorted({processes[edge["process"]] for edge in edges})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Text(f"  by {', '.join(names[:3])}{more}", style="green")


def _expression(edges: Sequence[Edge]) -> str:
    said = next((" ".join(edge["expression"].split()) for edge in edges if edge["expression"]), "")
    short = said if len(said) <= _MOST_EXPRESSION else f"{said[: _MOST_EXPRESSION - 1]}…"
    return f"  {short}" if short else ""
