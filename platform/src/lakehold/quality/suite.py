"""Reads an expectation suite (``quality/<name>.yml``) and refuses what it does not understand, naming the path.

A suite says, for each table, which rows it is about and which rules they must meet. Each rule says how severe a failure
is, who owns it, and what breaks for whom.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from lakehold.errors import ConfigError
from lakehold.quality.names import redirect

Severity = Literal["block", "warn"]
Scope = Literal["table", "changed"]
QUERY = "no_rows_from"
"""Our name for a rule given as a query for the rows that break it."""
CONDITION = "no_rows_where"
"""Our name for a rule given as the SQL condition of the rows that break it."""
NOT_EMPTY = "not_empty"
"""Our name for what every table of a suite must be, unless the suite says ``empty: allowed``."""
NOT_EMPTY_EXPECTS = "expect_table_row_count_to_be_between"
"""What it is to Great Expectations."""
AT_MOST = 0.01
"""Share of the rows that a rule moves to quarantine before it blocks: a file of rubbish is no matter of rows."""

_ROW_LEVEL = re.compile(
    rf"{CONDITION}|expect_column_values_to_(?!be_unique|be_increasing|be_decreasing|not_be_outliers)\w+"
    r"|expect_column_value_lengths_to_\w+|expect_column_pair_values_\w+|expect_multicolumn_(sum|values_to_be_equal)\w*"
    r"|expect_select_column_values_to_be_unique_within_record"
)
"""Rules that each row meets or breaks by itself."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One expectation: ``expect`` is its Great Expectations name, ``arguments`` what it is given."""

    id: str
    expect: str
    severity: Severity
    breaks: str
    owner: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    quarantine: float | None = None
    """Most rows, as a share, that are moved to the quarantine table; None when a broken rule moves none."""


@dataclass(frozen=True, kw_only=True)
class TableRules:
    """The rules of one table; ``rows`` is the SQL condition that selects its rows, all rows when it is empty."""

    schema: str
    table: str
    rows: str
    rules: tuple[Rule, ...]
    scope: Scope = "table"
    """``changed``: only rows of data files that the run added."""
    changed: str = ""
    """The SQL condition of these rows, once it is known; all rows when it is empty."""
    may_be_empty: bool = False
    """Whether no rows are as good as rows that meet every rule."""
    owner: str = ""
    """Whom to ask when there are none."""
    reads: str = ""
    """The schema the rows are read from: a shadow of ``schema``, or ``schema`` itself."""
    interval: tuple[date, date] | None = None
    """First day and the day after the last, where rows or rules depend on them."""

    @property
    def name(self) -> str:
        """``schema.table``, as readers know it."""
        return f"{self.schema}.{self.table}"

    @property
    def is_shadow(self) -> bool:
        """Whether readers do not see these rows yet."""
        return self.reads != self.schema

    @property
    def where(self) -> str:
        """The SQL condition of the rows that are judged; all rows when it is empty."""
        return " AND ".join(f"({condition})" for condition in (self.rows, self.changed) if condition)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """All rules of one gate."""

    name: str
    summary: str
    tables: tuple[TableRules, ...]


def load(folder: Path, name: str, start: date, end: date, shadows: Mapping[str, str] | None = None) -> Suite:
    """Read ``<folder>/<name>.yml`` for the interval [start, end): ``{from}`` and ``{to}`` in it become its days.

    ``shadows`` maps a schema to the one its tables are read from instead, in every query and condition as well.
    """
    path = folder / f"{name}.yml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yml"))) or "none"
        raise ConfigError(f"There is no suite {path}.", why=f"the suites there are: {known}", remedy=f"write {path}")
    return parse(path.read_text(encoding="utf-8"), name, start, end, shadows)


def parse(text: str, name: str, start: date, end: date, shadows: Mapping[str, str] | None = None) -> Suite:
    """Read a suite's text; see :func:`load`."""
    top = _top(text, name, start, end)
    # What reads otherwise for other days is about the interval.
    others = _top(text, name, date.min, date.min)
    pairs = zip(_list(top, "tables", name), _list(others, "tables", name), strict=True)
    tables = [
        _table(table, f"{name}.tables[{number}]", top["owner"], shadows or {}, None if table == other else (start, end))
        for number, (table, other) in enumerate(pairs)
    ]
    ids = [rule.id for table in tables for rule in table.rules]
    if twice := {one for one in ids if ids.count(one) > 1}:
        raise _wrong(name, f"the rule {sorted(twice)[0]!r} is there twice")
    if NOT_EMPTY in ids:
        raise _wrong(name, f"{NOT_EMPTY!r} is the name of the rule that every table has; call yours something else")
    return Suite(name=name, summary=top["summary"], tables=tuple(tables))


def _top(text: str, name: str, start: date, end: date) -> dict[str, Any]:
    filled = text.replace("{from}", start.isoformat()).replace("{to}", end.isoformat())
    try:
        raw = yaml.safe_load(filled)
    except yaml.YAMLError as error:
        raise ConfigError(f"quality/{name}.yml is not YAML.", why=str(error), remedy="correct the file") from error
    return _section(raw, name, required=("summary", "owner", "tables"))


def _table(
    raw: object, path: str, owner: str, shadows: Mapping[str, str], interval: tuple[date, date] | None
) -> TableRules:
    section = _section(raw, path, required=("table", "rules"), optional=("rows", "scope", "empty"))
    schema, dot, table = str(section["table"]).partition(".")
    if not dot:
        raise _wrong(f"{path}.table", "expected schema.table")
    scope = section.get("scope", "table")
    if scope not in ("table", "changed"):
        raise _wrong(f"{path}.scope", f"{scope!r} is neither table nor changed")
    if section.get("empty", "allowed") != "allowed":
        raise _wrong(f"{path}.empty", f"{section['empty']!r} is not allowed, the only word there is; leave the key out")
    rules = [_rule(rule, f"{path}.rules[{n}]", owner, shadows) for n, rule in enumerate(_list(section, "rules", path))]
    return TableRules(
        schema=schema,
        table=table,
        rows=redirect(str(section.get("rows", "")), shadows),
        rules=tuple(rules),
        scope=scope,
        reads=shadows.get(schema, schema),
        interval=interval,
        may_be_empty="empty" in section,
        owner=owner,
    )


def _rule(raw: object, path: str, owner: str, shadows: Mapping[str, str]) -> Rule:
    optional = ("with", "owner", "on_failure", "at_most")
    section = _section(raw, path, required=("id", "expect", "severity", "breaks"), optional=optional)
    if section["severity"] not in ("block", "warn"):
        raise _wrong(f"{path}.severity", f"{section['severity']!r} is neither block nor warn")
    expect, arguments = str(section["expect"]), section.get("with", {})
    if not isinstance(arguments, dict):
        raise _wrong(f"{path}.with", "expected a mapping of arguments")
    return Rule(
        id=str(section["id"]),
        expect=expect,
        severity=section["severity"],
        breaks=str(section["breaks"]),
        owner=str(section.get("owner", owner)),
        arguments=_ours(expect, arguments, f"{path}.with", shadows),
        quarantine=_quarantine(section, path),
    )


def _ours(expect: str, arguments: dict[str, Any], path: str, shadows: Mapping[str, str]) -> dict[str, Any]:
    """Check the arguments of the two rules that are SQL, and read them in the shadows."""
    key = {QUERY: "query", CONDITION: "condition"}.get(expect)
    if key is None:
        return arguments
    given = _section(arguments, path, required=(key,))
    text = str(given[key])
    if expect == QUERY and "{batch}" not in text:
        raise _wrong(f"{path}.query", "the query must read {batch}, the rows of the interval")
    return {key: redirect(text, shadows)}


def _quarantine(section: Mapping[str, Any], path: str) -> float | None:
    if "on_failure" not in section:
        if "at_most" in section:
            raise _wrong(f"{path}.at_most", "only a rule with on_failure: quarantine has it")
        return None
    if section["on_failure"] != "quarantine":
        raise _wrong(f"{path}.on_failure", f"{section['on_failure']!r} is not quarantine")
    if not _ROW_LEVEL.fullmatch(str(section["expect"])):
        raise _wrong(
            f"{path}.on_failure", f"{section['expect']} does not say which rows break it, so none can be moved"
        )
    if section["severity"] != "block":
        raise _wrong(f"{path}.severity", "a rule with on_failure: quarantine blocks when it cannot move the rows")
    share = section.get("at_most", AT_MOST)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise _wrong(f"{path}.at_most", f"{share!r} is not a share between 0 and 1")
    return float(share)


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
