"""Find tables, columns and processes by words."""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore import names
from lakehold.lineage.explore.find import rows
from lakehold.lineage.model import WHOLE, Column, Table

_MOST_WORDS = 8

# The rank: the name itself, its beginning, the beginning of one of its parts, anything else; short names first.
_SEARCH: LiteralString = """
SELECT kind, namespace, name, column_name, node, field, process, description FROM (
    SELECT n.kind, n.namespace, n.name, '' AS column_name, n.node_id AS node, NULL::bigint AS field,
           NULL::bigint AS process, n.description, lower(n.name) AS said, 0 AS class
    FROM node n WHERE lower(n.namespace || '/' || n.name) LIKE ALL (%(words)s)
    UNION ALL
    SELECT 'column', n.namespace, n.name, f.name, n.node_id, f.field_id, NULL, f.description, lower(f.name), 1
    FROM field f JOIN node n USING (node_id)
    WHERE f.name <> '' AND f.removed_at IS NULL AND lower(f.name) LIKE ANY (%(words)s)
      AND lower(n.namespace || '/' || n.name || '.' || f.name) LIKE ALL (%(words)s)
    UNION ALL
    SELECT 'process', p.namespace, p.name, '', NULL, NULL, p.process_id, p.kind, lower(p.name), 2
    FROM process p WHERE lower(p.name) LIKE ALL (%(words)s)
) AS found
ORDER BY CASE WHEN said = %(asked)s THEN 0 WHEN starts_with(said, %(asked)s) THEN 1
              WHEN said ~ ('(^|[._:/])' || %(asked_pattern)s) THEN 2 ELSE 3 END,
         class, length(said), namespace, name, column_name
LIMIT %(limit)s
"""


async def search(connection: AsyncConnection[TupleRow], text: str, limit: int, catalog: str) -> list[dict[str, Any]]:
    """Return what has every word of ``text`` in its name, the likeliest first."""
    words = text.lower().replace("#", " ").split()
    if not words or len(words) > _MOST_WORDS:
        raise AnswerError(400, f"q must have from 1 to {_MOST_WORDS} words")
    found = await rows(
        connection,
        _SEARCH,
        {
            "words": [f"%{_literally(word, '%_')}%" for word in words],
            "asked": words[-1],
            "asked_pattern": _literally(words[-1], r".^$*+?()[]{}|"),
            "limit": limit,
        },
    )
    return [_result(row, catalog) for row in found]


def _literally(word: str, special: str) -> str:
    """Take from letters what they mean in a pattern."""
    return "".join(f"\\{letter}" if letter in "\\" + special else letter for letter in word)


def _result(row: dict[str, Any], catalog: str) -> dict[str, Any]:
    namespace, name, column = row.pop("namespace"), row.pop("name"), row.pop("column_name")
    if row["process"] is not None:
        return {**row, "title": name, "description": row["description"]}
    table = Table(namespace, name)
    return {
        **row,
        "title": names.column_title(Column(table, column or WHOLE), catalog),
        "table": names.title(table, catalog),
        "column": column or None,
    }
