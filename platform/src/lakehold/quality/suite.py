"""Reads an expectation suite (``quality/<name>.yml``) and refuses what it does not understand, naming the path.

A suite says, for each table, which rows of an interval it is about and which rules they must meet. Each rule says how
severe a failure is, who owns it, and what breaks for whom.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from lakehold.errors import ConfigError

Severity = Literal["block", "warn"]
QUERY = "no_rows_from"
"""Our name for a rule given as a query for the rows that break it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One expectation: ``expect`` is its Great Expectations name, ``arguments`` what it is given."""

    id: str
    expect: str
    severity: Severity
    breaks: str
    owner: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableRules:
    """The rules of one table; ``rows`` is the SQL condition that selects an interval's rows, all rows when empty."""

    schema: str
    table: str
    rows: str
    rules: tuple[Rule, ...]

    @property
    def name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """All rules of one gate."""

    name: str
    summary: str
    tables: tuple[TableRules, ...]


def load(folder: Path, name: str, start: date, end: date) -> Suite:
    """Read ``<folder>/<name>.yml`` for the interval [start, end): ``{from}`` and ``{to}`` in it become its days."""
    path = folder / f"{name}.yml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yml"))) or "none"
        raise ConfigError(f"There is no suite {path}.", why=f"the suites there are: {known}", remedy=f"write {path}")
    return parse(path.read_text(encoding="utf-8"), name, start, end)


def parse(text: str, name: str, start: date, end: date) -> Suite:
    """Read a suite's text; see :func:`load`."""
    filled = text.replace("{from}", start.isoformat()).replace("{to}", end.isoformat())
    try:
        raw = yaml.safe_load(filled)
    except yaml.YAMLError as error:
        raise ConfigError(f"quality/{name}.yml is not YAML.", why=str(error), remedy="correct the file") from error
    top = _section(raw, name, required=("summary", "owner", "tables"))
    tables = [
        _table(table, f"{name}.tables[{number}]", top["owner"])
        for number, table in enumerate(_list(top, "tables", name))
    ]
    ids = [rule.id for table in tables for rule in table.rules]
    if twice := {one for one in ids if ids.count(one) > 1}:
        raise _wrong(name, f"the rule {sorted(twice)[0]!r} is there twice")
    return Suite(name=name, summary=top["summary"], tables=tuple(tables))


def _table(raw: object, path: str, owner: str) -> TableRules:
    section = _section(raw, path, required=("table", "rules"), optional=("rows",))
    schema, dot, table = str(section["table"]).partition(".")
    if not dot:
        raise _wrong(f"{path}.table", "expected schema.table")
    rules = [_rule(rule, f"{path}.rules[{n}]", owner) for n, rule in enumerate(_list(section, "rules", path))]
    return TableRules(schema=schema, table=table, rows=str(section.get("rows", "")), rules=tuple(rules))


def _rule(raw: object, path: str, owner: str) -> Rule:
    section = _section(raw, path, required=("id", "expect", "severity", "breaks"), optional=("with", "owner"))
    if section["severity"] not in ("block", "warn"):
        raise _wrong(f"{path}.severity", f"{section['severity']!r} is neither block nor warn")
    arguments = section.get("with", {})
    if not isinstance(arguments, dict):
        raise _wrong(f"{path}.with", "expected a mapping of arguments")
    if section["expect"] == QUERY and "{batch}" not in str(arguments.get("query", "")):
        raise _wrong(f"{path}.with.query", "the query must read {batch}, the rows of the interval")
    return Rule(
        id=str(section["id"]),
        expect=str(section["expect"]),
        severity=section["severity"],
        breaks=str(section["breaks"]),
        owner=str(section.get("owner", owner)),
        arguments=arguments,
    )


def _section(raw: object, path: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _wrong(path, "expected a mapping")
    known = (*required, *optional)
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            raise _wrong(f"{path}.{key}", "unknown key" + (f', did you mean "{close[0]}"?' if close else ""))
    for key in required:
        if raw.get(key) in (None, "", []):
            raise _wrong(f"{path}.{key}", "missing")
    return raw


def _list(section: dict[str, Any], key: str, path: str) -> list[Any]:
    found = section[key]
    if not isinstance(found, list):
        raise _wrong(f"{path}.{key}", "expected a list")
    return found


def _wrong(path: str, why: str) -> ConfigError:
    return ConfigError(f"{path}: {why}", why="the suite cannot be run as it is written", remedy="correct quality/*.yml")
