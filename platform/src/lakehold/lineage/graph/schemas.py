"""Columns of the catalog's tables as they were at a time, for the tables a statement may name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

_WORD = re.compile(r"\w+")

# A table that is not known from before that time has the columns it was first seen with. A column without a position
# was named by somebody who did not list the others.
_COLUMNS = """
SELECT n.name, f.name FROM unnest(%(words)s::text[]) AS said (word)
JOIN node n ON name_key(n.namespace, lower(split_part(n.name, '.', 2))) = name_key(%(catalog)s, said.word)
JOIN field f USING (node_id)
WHERE n.kind IN ('table', 'view') AND n.name ~ '^[^.]+[.][^.]+$'
    AND f.name <> '' AND f.position IS NOT NULL AND (f.removed_at IS NULL OR f.removed_at > %(at)s)
    AND (f.first_seen <= %(at)s OR n.first_seen > %(at)s)
ORDER BY n.name, f.position, f.field_id
"""


async def named_in(
    connection: AsyncConnection[TupleRow], sql: str, catalog: str, at: datetime
) -> Mapping[str, Sequence[str]]:
    """Return ``schema.table`` → its columns in order, of every table whose name occurs in the text."""
    words = {word.lower() for word in _WORD.findall(sql)}
    cursor = await connection.execute(_COLUMNS, {"catalog": catalog, "words": list(words), "at": at})
    found: dict[str, list[str]] = {}
    for table, column in await cursor.fetchall():
        found.setdefault(table, []).append(column)
    return found
