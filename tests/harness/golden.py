"""The golden statements: what each one writes, drawn by hand from its meaning, never copied from a program's answer.

``tests/golden/tables.yml`` has the tables they use, ``tests/golden/<engine>/*.yml`` the statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from lakehold.lineage.model import WHOLE, Column, ColumnEdge, Reading, Table

FOLDER = Path(__file__).parents[1] / "golden"
CATALOG = "lakehouse"
_SPARK = {"varchar": "string", "integer": "int", "timestamp(6) with time zone": "timestamp"}


@dataclass(frozen=True)
class Case:
    """A statement (or a Spark frame) and what a person would draw of it."""

    name: str
    engine: str
    before: tuple[str, ...]
    """Statements the engine runs first, such as one that makes a view."""
    made: Mapping[str, list[str]]
    """What ``before`` makes, with its columns."""
    statement: str
    frame: str
    kind: str
    target: str
    inputs: frozenset[Table]
    edges: frozenset[ColumnEdge]
    unknown: Mapping[str, str]
    unrun: str = ""
    """Why the platform's engine cannot run it: then only its text is read."""

    @property
    def dialect(self) -> str:
        """The SQL it is written in; dbt's is Trino's."""
        return "spark" if self.engine in ("spark", "frames") else "trino"

    def lines(self) -> list[str]:
        """The edges as they stand in the file."""
        return lines(self.edges)


def tables(engine: str) -> dict[str, dict[str, str]]:
    """Return the tables with the types of their columns in the engine's words."""
    found: dict[str, dict[str, str]] = _yaml(FOLDER / "tables.yml")
    if engine != "spark":
        return found
    return {name: {column: spark_type(kind) for column, kind in columns.items()} for name, columns in found.items()}


def columns(case: Case) -> dict[str, list[str]]:
    """Return the columns of every table that is there when the case runs."""
    return {name: list(kinds) for name, kinds in tables(case.engine).items()} | {
        k: list(v) for k, v in case.made.items()
    }


def cases(engine: str) -> list[Case]:
    """Return the golden cases of an engine, in the order of the files."""
    return [_case(engine, entry) for path in sorted((FOLDER / engine).glob("*.yml")) for entry in _yaml(path)]


def lines(edges: Iterable[ColumnEdge]) -> list[str]:
    """Write edges as the files do, in order; the SQL of a column is not compared."""
    return sorted(f"{_written(edge.source)} -> {_written(edge.target)} {edge.how}" for edge in edges)


def told(reading: Reading) -> dict[str, Any]:
    """Return a reading as the files write it, to compare it with `expected`."""
    return {
        "kind": reading.kind,
        "target": _written(Column(reading.target, WHOLE)),
        "inputs": sorted(_written(Column(table, WHOLE)) for table in reading.inputs),
        "edges": lines(reading.edges),
        "unknown": dict(reading.unknown),
    }


def expected(case: Case) -> dict[str, Any]:
    """Return what a case expects, as `told` writes a reading."""
    return {
        "kind": case.kind,
        "target": case.target,
        "inputs": sorted(_written(Column(table, WHOLE)) for table in case.inputs),
        "edges": case.lines(),
        "unknown": dict(case.unknown),
    }


def spark_type(kind: str) -> str:
    """Return Spark's word for a type of Trino's."""
    if kind in _SPARK:
        return _SPARK[kind]
    if kind.startswith(("array(", "map(")):
        word, _, inner = kind[:-1].partition("(")
        return f"{word}<{','.join(spark_type(part) for part in _split(inner))}>"
    if kind.startswith("row("):
        fields = (part.partition(" ") for part in _split(kind[4:-1]))
        return f"struct<{','.join(f'{name}:{spark_type(inner)}' for name, _, inner in fields)}>"
    return kind


def _split(text: str) -> list[str]:
    """Split at the commas that are in no brackets."""
    parts = [""]
    for letter in text:
        if letter == "," and parts[-1].count("(") == parts[-1].count(")"):
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _case(engine: str, entry: dict[str, Any]) -> Case:
    expect = entry["expect"]
    edges = [_edge(line) for line in expect.get("edges") or []]
    if len(set(edges)) != len(edges):
        raise ValueError(f"{entry['name']}: an edge is written twice")
    return Case(
        name=entry["name"],
        engine=engine,
        before=tuple(entry.get("before") or ()),
        made=entry.get("made") or {},
        statement=entry.get("statement", ""),
        frame=entry.get("frame", ""),
        kind=expect["kind"],
        target=expect["target"],
        inputs=frozenset(_column(name + "#").table for name in expect.get("inputs") or []),
        edges=frozenset(edges),
        unknown=expect.get("unknown") or {},
        unrun=entry.get("unrun", ""),
    )


def _edge(line: str) -> ColumnEdge:
    match = re.fullmatch(r"(\S+) -> (\S+) ([A-Z_]+)", line)
    if match is None:
        raise ValueError(f"not an edge: {line!r}")
    return ColumnEdge(_column(match[1]), _column(match[2]), match[3])


def _column(text: str) -> Column:
    """``schema.table.column``, ``schema.table``, ``s3://bucket/path#column``; ``schema.table#`` is the whole table."""
    name, _, column = text.partition("#")
    if "://" in name:
        bucket, _, path = name.removeprefix("s3://").partition("/")
        return Column(Table(f"s3://{bucket}", path), column)
    schema, table, *rest = name.split(".", 2)
    return Column(Table(CATALOG, f"{schema}.{table}"), column or (rest[0] if rest else WHOLE))


def _written(column: Column) -> str:
    if column.table.namespace == CATALOG:
        return f"{column.table.name}.{column.name}" if column.name else column.table.name
    name = f"{column.table.namespace}/{column.table.name}"
    return f"{name}#{column.name}" if column.name else name


@cache
def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
