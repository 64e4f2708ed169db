"""Proposes a first suite from the data: ``python -m lakehold.quality.propose silver.flights [--rows CONDITION]``.

One query for the columns, one for a profile of all of them. The suite is printed as YAML with comments, for a person to
edit: what the data are is no proof of what they should be.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakehold.config import platform
from lakehold.config.platform import TrinoAddress
from lakehold.errors import DataError, LakeholdError
from lakehold.quality import validation
from lakehold.quality.suite import TableRules

_FEW = 20
"""Most values a column may have for the values themselves to become a rule."""
_NUMBERS = ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal")
_TIMES = ("date", "timestamp")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What one query says about a column; ``low`` and ``high`` for numbers and times, ``values`` for texts."""

    name: str
    kind: str
    nulls: int
    distinct: int
    low: Any = None
    high: Any = None
    values: Mapping[str, int] | None = None


def profile(table: TableRules, address: TrinoAddress) -> tuple[int, list[Profile]]:
    """Return the number of rows and a profile of each column that is not nested."""
    with validation.batch(table, address) as engine:
        columns = [(str(column["name"]), str(column["type"]).lower()) for column in engine.columns]
        plain = [(name, kind) for name, kind in columns if not kind.startswith(("array", "map", "row"))]
        query = profile_query(validation.rows_of(table), plain)
        with engine.engine.connect() as connection:
            rows, *numbers = connection.exec_driver_sql(query).fetchone()
    return int(rows), list(_profiles(plain, iter(numbers)))


def profile_query(rows: str, columns: Sequence[tuple[str, str]]) -> str:
    """Return one statement that reads each column once."""
    parts = ["count(*)"]
    for name, kind in columns:
        column = f'"{name}"'
        parts += [f"count_if({column} IS NULL)", f"approx_distinct({column})"]
        if kind.startswith((*_NUMBERS, *_TIMES)):
            parts += [f"min({column})", f"max({column})"]
        elif kind.startswith("varchar"):
            parts.append(f"approx_most_frequent({_FEW + 1}, CAST({column} AS varchar), 1000)")
    return f"SELECT {', '.join(parts)} FROM ({rows}) AS profiled"  # noqa: S608 - names of the catalog


def _profiles(columns: Sequence[tuple[str, str]], numbers: Iterator[Any]) -> Iterator[Profile]:
    for name, kind in columns:
        nulls, distinct = int(next(numbers)), int(next(numbers))
        if kind.startswith((*_NUMBERS, *_TIMES)):
            low, high = next(numbers), next(numbers)
            yield Profile(name=name, kind=kind, nulls=nulls, distinct=distinct, low=low, high=high)
        else:
            values = next(numbers) if kind.startswith("varchar") else None
            yield Profile(name=name, kind=kind, nulls=nulls, distinct=distinct, values=values)


def text(table: TableRules, rows: int, columns: Sequence[Profile]) -> str:
    """Write the suite."""
    if not rows:
        raise DataError(
            f"{table.name} has no rows to propose rules from.",
            why=f"where {table.rows}" if table.rows else "it is empty",
            remedy="load some data first, or choose other rows: --rows \"flight_date >= DATE '2013-01-01'\"",
        )
    lines = [
        f"# Proposed from {rows:,} rows. Edit it: what the data are is no proof of what they should be.",
        "# Keep the rules whose breach would break something for somebody, and say what in `breaks`.",
        f"summary: {table.name}",
        "owner: EDIT-ME",
        "tables:",
        f"  - table: {table.name}",
        "    # The rows of a run: the column that the interval is about; without it, the whole table.",
        f"    {'' if table.rows else '# '}rows: {table.rows or _interval(columns)}",
        "    rules:",
        *_rule("has_rows", "expect_table_row_count_to_be_between", {"min_value": 1}, "block", f"{rows:,} rows now"),
    ]
    for column in columns:
        lines += _rules(column, rows)
    return "\n".join(lines) + "\n"


def _interval(columns: Sequence[Profile]) -> str:
    days = [column.name for column in columns if column.kind == "date"]
    name = days[0] if days else "day"
    return f"{name} >= DATE '{{from}}' AND {name} < DATE '{{to}}'"


def _rules(column: Profile, rows: int) -> Iterator[str]:
    name = column.name
    share = 1 - column.nulls / rows
    if not column.nulls:
        yield from _rule(
            f"{name}_is_there", "expect_column_values_to_not_be_null", {"column": name}, "block", "no nulls"
        )
    elif share > 0.5:
        arguments = {"column": name, "mostly": round(share * 0.95, 2)}
        told = f"{share:.1%} of the rows have a value"
        yield from _rule(f"{name}_is_mostly_there", "expect_column_values_to_not_be_null", arguments, "warn", told)
    if not column.nulls and rows > 100 and column.distinct > 0.97 * rows:
        told = f"about {column.distinct:,} values in {rows:,} rows; a person knows whether it is a key"
        yield from _rule(f"{name}_is_unique", "expect_column_values_to_be_unique", {"column": name}, "warn", told)
    if column.values and len(column.values) <= _FEW:
        values = sorted(column.values)
        arguments = {"column": name, "value_set": values}
        yield from _rule(f"{name}_is_known", "expect_column_values_to_be_in_set", arguments, "warn", "all values seen")
    elif isinstance(column.low, int | float | Decimal) and column.distinct > 1:
        arguments = {"column": name, "min_value": _plain(column.low), "max_value": _plain(column.high)}
        told = "what was seen; widen it to what is possible"
        yield from _rule(f"{name}_is_plausible", "expect_column_values_to_be_between", arguments, "warn", told)
    elif isinstance(column.low, date | datetime):
        yield f"      # {name}: {column.low} to {column.high}"


def _rule(rule: str, expect: str, arguments: Mapping[str, Any], severity: str, told: str) -> list[str]:
    return [
        f"      # {told}",
        f"      - id: {rule}",
        f"        expect: {expect}",
        f"        with: {json.dumps(arguments, ensure_ascii=False)}",
        f"        severity: {severity}",
        "        breaks: EDIT-ME (what breaks for whom)",
    ]


def _plain(value: Any) -> int | float:
    return float(value) if isinstance(value, Decimal) else value


def _write(proposed: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(proposed)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(proposed)
    except FileExistsError as error:
        raise DataError(
            f"{output} is there already.", why="somebody may have edited it", remedy="choose another file: --output"
        ) from error
    sys.stdout.write(f"{output}: edit it, then run lakehold quality check {output.stem}\n")


def main() -> int:
    """Propose for the table of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", metavar="SCHEMA.TABLE")
    parser.add_argument("--rows", default="", metavar="CONDITION")
    parser.add_argument("--output", type=Path, metavar="FILE")
    args = parser.parse_args()
    schema, _, name = args.table.partition(".")
    table = TableRules(schema=schema, table=name, reads=schema, rows=args.rows, rules=())
    try:
        rows, columns = profile(table, platform.load().trino)
        _write(text(table, rows, columns), args.output)
    except LakeholdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the message of a program
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
