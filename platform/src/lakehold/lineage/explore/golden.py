"""Files that assert lineage: the edges into some tables, written by a person, and how the graph differs from them.

A file is YAML::

    tables: [gold.delays]              # every edge into these is asserted: no other may be there
    edges:
      - silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION
      - silver.flights.carrier -> gold.delays GROUP_BY      # about rows: the table as a whole
      - silver.planes -> gold.delays                        # it is read, by no column in particular

``tables`` may be left out: those that the edges lead into. Names are written as :mod:`~lakehold.lineage.explore.names`
says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lakehold.errors import DataError
from lakehold.lineage.explore import names
from lakehold.lineage.model import DIRECT, INDIRECT, WHOLE

_LINE = re.compile(r"(?P<source>\S.*?)\s+->\s+(?P<target>\S.*?)(?:\s+(?P<how>[A-Z][A-Z_]*))?")
_KEYS = frozenset({"tables", "edges"})


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """One edge as people write it; ``how`` is empty between tables as wholes."""

    source: str
    target: str
    how: str = ""

    def __str__(self) -> str:
        """The line of the file."""
        return f"{self.source} -> {self.target} {self.how}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Golden:
    """What a file asserts."""

    tables: tuple[str, ...]
    lines: Mapping[str, frozenset[Line]]
    """Table → every edge into it. Edges between tables as wholes are there for every pair of tables of the others."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How the edges into one table are not those that were asserted."""

    table: str
    missing: tuple[Line, ...]
    """Asserted, but not in the graph."""
    unexpected: tuple[Line, ...]
    """In the graph, but not asserted."""

    def __len__(self) -> int:
        """Return how many lines differ."""
        return len(self.missing) + len(self.unexpected)


def read(text: str, where: str, catalog: str) -> Golden:
    """Return what a file asserts; :class:`DataError` names the part of ``where`` that is not understood."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise _refused(where, " ".join(str(problem).split())) from None
    if not isinstance(content, dict):
        raise _refused(where, "expected the keys tables and edges")
    if unknown := sorted(str(key) for key in content.keys() - _KEYS):
        raise _refused(where, f"{unknown[0]} is no key of it; it has tables and edges")
    edges = [
        _line(item, f"edges[{index}]", where, catalog) for index, item in enumerate(_list(content, "edges", where))
    ]
    named = [_canonical(item, catalog) for item in _list(content, "tables", where)]
    if columns := [item for item in named if item != _table(item, catalog)]:
        raise _refused(where, f"tables must name tables, and {columns[0]} is a column")
    targets = [_table(line.target, catalog) for line in edges]
    tables = tuple(dict.fromkeys(named or targets))
    if not tables:
        raise _refused(where, "it names no table")
    if strangers := [line for line, target in zip(edges, targets, strict=True) if target not in tables]:
        raise _refused(where, f"{strangers[0]!s} leads into none of its tables")
    into: dict[str, list[Line]] = {table: [] for table in tables}
    for line, target in zip(edges, targets, strict=True):
        into[target].append(line)
    return Golden(tables=tables, lines={table: whole(found, catalog) for table, found in into.items()})


def lines(answer: Mapping[str, Any], catalog: str, edges: str = "edges") -> frozenset[Line]:
    """Return the edges of an answer of the service as lines."""
    return frozenset(line_of(edge, titles(answer), catalog) for edge in answer[edges])


def titles(answer: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """Return for each column of an answer its table, as it is written, and its name."""
    return {field["id"]: (node["title"], field["name"]) for node in answer["nodes"] for field in node["fields"]}


def line_of(edge: Mapping[str, Any], known: Mapping[int, tuple[str, str]], catalog: str) -> Line:
    """Return one edge of an answer as a line."""
    source, target = (_written(*known[edge[side]["field"]], catalog) for side in ("source", "target"))
    return Line(source, target, edge["how"])


def whole(found: Iterable[Line], catalog: str) -> frozenset[Line]:
    """Return lines with those between tables as wholes that they imply."""
    known = set(found)
    return frozenset(known | {Line(_table(line.source, catalog), _table(line.target, catalog)) for line in known})


def compare(table: str, golden: frozenset[Line], actual: frozenset[Line], catalog: str) -> Difference:
    """Return how the edges into a table differ; what a column's line says of its table is not said twice."""
    return Difference(
        table=table,
        missing=tuple(sorted(telling(golden - actual, catalog))),
        unexpected=tuple(sorted(telling(actual - golden, catalog))),
    )


def telling(found: Collection[Line], catalog: str) -> set[Line]:
    """Return lines without those between tables as wholes that another of them implies."""
    implied = {Line(_table(line.source, catalog), _table(line.target, catalog)) for line in found if line.how}
    return set(found) - implied


def _line(item: object, place: str, where: str, catalog: str) -> Line:
    match = _LINE.fullmatch(str(item).strip())
    if match is None:
        raise _refused(where, f"{place} is not `source -> target HOW`: {item!s}")
    how = match["how"] or ""
    source, target = (_canonical(match[side], catalog) for side in ("source", "target"))
    if how and how not in DIRECT | INDIRECT:
        raise _refused(where, f"{place}: {how} is none of {', '.join(sorted(DIRECT | INDIRECT))}")
    if not how and (source, target) != (_table(source, catalog), _table(target, catalog)):
        raise _refused(where, f"{place} does not say how {source} becomes {target}: IDENTITY, TRANSFORMATION…")
    return Line(source, target, how)


def _canonical(text: str, catalog: str) -> str:
    return names.column_title(names.readings(text, catalog)[0], catalog) if "/" not in text else text


def _table(text: str, catalog: str) -> str:
    """Return the table of a column as it is written."""
    if "/" in text:
        before, mark, _ = text.rpartition("#")
        return before if mark else text
    return names.title(names.readings(text, catalog)[0].table, catalog)


def _written(table: str, column: str, catalog: str) -> str:
    if column == WHOLE:
        return table
    return f"{table}#{column}" if "/" in table else _canonical(f"{table}#{column}", catalog)


def _list(content: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = content.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise _refused(where, f"{key} must be a list of lines")
    return found


def _refused(where: str, why: str) -> DataError:
    return DataError(
        f"{where} does not assert lineage in a way that is understood.",
        why=why,
        remedy="write it as docs/how-to/ask-for-lineage.md says",
    )
