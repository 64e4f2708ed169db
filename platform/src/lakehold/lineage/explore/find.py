"""Find what a name means in the graph, or what a person may have meant."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import TupleRow, dict_row

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore import names
from lakehold.lineage.model import WHOLE, Table

_NODE = """
SELECT c.i, n.node_id AS id, n.namespace, n.name, n.kind, n.description, n.first_seen, n.last_seen,
    ARRAY(SELECT json_build_array(f.name, f.field_id) FROM field f WHERE f.node_id = n.node_id
        ORDER BY f.position NULLS LAST, f.name) AS fields
FROM unnest(%(namespaces)s::text[], %(names)s::text[]) WITH ORDINALITY AS c (namespace, name, i)
JOIN node n ON n.key = name_key(c.namespace, c.name) ORDER BY c.i
"""
_NEAR = """
SELECT namespace, name FROM node ORDER BY
    (lower(name) LIKE %(ending)s) DESC, (strpos(lower(name), %(part)s) > 0) DESC, last_seen DESC LIMIT 2000
"""

Statement = tuple[LiteralString, Mapping[str, Any]]
"""A statement, and its values."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a name means: a table, or a column of it."""

    node: dict[str, Any]
    fields: dict[str, int]
    """Every column of the table → its id, that of the table as a whole among them."""
    column: str | None
    """The column that was named; None for the table."""

    @property
    def field(self) -> int | None:
        """The id of the column that was named."""
        return None if self.column is None else self.fields[self.column]

    @property
    def start(self) -> list[int]:
        """The columns a walk begins at: the one that was named, else every one of the table."""
        return list(self.fields.values()) if self.column is None else [self.fields[self.column]]

    @property
    def rows(self) -> list[int]:
        """The table as a whole, when a column of it was named."""
        return [self.fields[WHOLE]] if self.column is not None and WHOLE in self.fields else []


async def place(connection: AsyncConnection[TupleRow], text: str, catalog: str) -> Place:
    """Return what ``text`` names; :class:`AnswerError` (404) with what may have been meant when there is no such."""
    columns = names.readings(text, catalog)
    nodes = await rows(
        connection,
        _NODE,
        {"namespaces": [one.table.namespace for one in columns], "names": [one.table.name for one in columns]},
    )
    first: AnswerError | None = None
    for node in nodes:
        column = columns[node.pop("i") - 1].name
        fields: dict[str, int] = dict(node.pop("fields"))
        if column == WHOLE:
            return Place(node=node, fields=fields, column=None)
        if column in fields:
            return Place(node=node, fields=fields, column=column)
        title = names.title(Table(node["namespace"], node["name"]), catalog)
        first = first or AnswerError(404, f"{title} has no column {column!r}{_meant(column, fields)}")
    raise first or AnswerError(404, f"the graph has no table {text!r}{await _near(connection, text, catalog)}")


async def rows(
    connection: AsyncConnection[TupleRow], statement: LiteralString, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return what a statement finds."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await _taken(cursor)


async def all_rows(connection: AsyncConnection[TupleRow], asked: Sequence[Statement]) -> list[list[dict[str, Any]]]:
    """Return what each of several statements finds, for one wait."""
    if len(asked) == 1:
        return [await rows(connection, *asked[0])]
    async with contextlib.AsyncExitStack() as opened:
        await opened.enter_async_context(connection.pipeline())
        cursors = []
        for statement, values in asked:
            cursor = await opened.enter_async_context(connection.cursor(row_factory=dict_row))
            cursors.append(await cursor.execute(statement, values))
        return [await _taken(cursor) for cursor in cursors]


async def _taken(cursor: AsyncCursor[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    # Some at a time: while it takes rows, the interpreter turns to no other thread.
    while batch := await cursor.fetchmany(200):
        found += batch
    return found


async def _near(connection: AsyncConnection[TupleRow], text: str, catalog: str) -> str:
    last = text.replace("/", ".").rstrip(".").rpartition(".")[2].lower()
    ending = "%." + last.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found = await rows(connection, _NEAR, {"ending": ending, "part": last})
    return _meant(text, [names.title(Table(row["namespace"], row["name"]), catalog) for row in found])


def _meant(text: str, known: Sequence[str] | dict[str, int]) -> str:
    spelled = {name.lower(): name for name in known if name != WHOLE}
    likely = [spelled[name] for name in difflib.get_close_matches(text.lower(), spelled, n=3, cutoff=0.6)]
    return f"; did you mean {', '.join(likely)}?" if likely else ""
