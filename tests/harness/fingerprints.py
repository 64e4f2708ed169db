"""Checksums of what readers see, to tell whether anything at all has changed."""

from __future__ import annotations

from collections.abc import Sequence

from flights_day import Asked


def fingerprint(platform: Asked, table: str, where: str = "true") -> dict[str, str]:
    """A checksum of all rows and columns of a table, whatever their order."""
    columns = [row["Column"] for row in platform.sql(f"describe {table}")]
    [answer] = platform.sql(_sums(table, columns, where))
    return {"n": answer["n"], "sum": answer["sum"]}


def fingerprints(platform: Asked, without: str = "") -> dict[str, dict[str, str]]:
    """The same of every table of the layers, by two questions: to ask for each would take the tests minutes.

    ``without`` is a day that is left out where rows have a day; where they have a month, its month is.
    """
    layers = "('bronze', 'silver', 'gold')"
    columns: dict[str, list[str]] = {}
    for row in platform.sql(
        "select table_schema as s, table_name as t, column_name as c from lakehouse.information_schema.columns "
        "join lakehouse.information_schema.tables using (table_schema, table_name) "
        f"where table_schema in {layers} and table_type = 'BASE TABLE' order by 1, 2, ordinal_position"
    ):
        columns.setdefault(f"lakehouse.{row['s']}.{row['t']}", []).append(row["c"])
    assert len(columns) >= 7  # flights in bronze and silver, four marts or more, reference tables
    answers = platform.sql(
        " union all ".join(_sums(table, names, _others(names, without)) for table, names in columns.items())
    )
    return {answer["name"]: {"n": answer["n"], "sum": answer["sum"]} for answer in answers}


def _others(columns: Sequence[str], day: str) -> str:
    if day and "flight_date" in columns:
        return f"flight_date <> date '{day}'"
    return f"flight_month <> date_trunc('month', date '{day}')" if day and "flight_month" in columns else "true"


def _sums(table: str, columns: Sequence[str], where: str = "true") -> str:
    row = ", ".join(f'"{column}"' for column in columns)
    return f"select '{table}' as name, count(*) as n, to_hex(checksum(row({row}))) as sum from {table} where {where}"
