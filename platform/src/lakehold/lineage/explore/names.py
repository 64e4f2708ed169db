"""How tables and columns are written where people read and type them.

A table of the catalog is ``schema.table`` and its column ``schema.table.column``; anything else is its namespace and
its name with a slash between them (``s3://landing/flights``), and its column follows after ``#``. The ``#`` works for
tables of the catalog too, and is the way to write what has a dot in its table's name.
"""

from __future__ import annotations

from lakehold.lineage.model import WHOLE, Column, Table

_MOST_SPLITS = 64


def title(table: Table, catalog: str) -> str:
    """Return a table as a person writes it."""
    return table.name if table.namespace == catalog else f"{table.namespace}/{table.name}"


def column_title(column: Column, catalog: str) -> str:
    """Return a column as a person writes it; the table alone for the table as a whole."""
    table = title(column.table, catalog)
    if column.name == WHOLE:
        return table
    dotted = column.table.namespace == catalog and column.table.name.count(".") == 1
    return f"{table}{'.' if dotted else '#'}{column.name}"


def readings(text: str, catalog: str) -> list[Column]:
    """Return what ``text`` may name, the likeliest first; which of them there is, only the graph knows."""
    found = _tables_and_columns(text, catalog)
    before, mark, after = text.rpartition("#")
    if mark and after:
        found = [Column(table, after) for table in _tables(before, catalog)] + found
    return list(dict.fromkeys(found))


def _tables_and_columns(text: str, catalog: str) -> list[Column]:
    if "/" in text:
        return [Column(table, WHOLE) for table in _tables(text, catalog)]
    parts = text.split(".")
    found = []
    if len(parts) >= 2:
        found.append(Column(Table(catalog, ".".join(parts[:2])), ".".join(parts[2:])))
    if len(parts) >= 3 and parts[0] == catalog:
        found.append(Column(Table(catalog, ".".join(parts[1:3])), ".".join(parts[3:])))
    return found or [Column(Table(catalog, text), WHOLE)]


def _tables(text: str, catalog: str) -> list[Table]:
    """Return the tables ``text`` may name when it names no column."""
    splits = [index for index, letter in enumerate(text) if letter == "/"][:_MOST_SPLITS]
    # The longest namespace last: s3://landing/flights/day is more often a path in a bucket than a name below a folder.
    known = [Table(text[:index], text[index + 1 :]) for index in splits if text[:index] and text[index + 1 :]]
    if known:
        return known
    local = text.removeprefix(f"{catalog}.") if text.count(".") > 1 else text
    return [Table(catalog, text), *([Table(catalog, local)] if local != text else [])]
