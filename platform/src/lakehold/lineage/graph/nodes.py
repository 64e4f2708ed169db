"""Nodes and their columns, under their one name; what was not there is made, and sinks are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.event import Name, storable
from lakehold.lineage.graph import due, names
from lakehold.lineage.graph.changes import tell
from lakehold.lineage.model import Column, Table

Connection = AsyncConnection[TupleRow]

_NODES = """
INSERT INTO node (namespace, name, kind, first_seen, last_seen)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS n ORDER BY 1, 2
ON CONFLICT (key) DO UPDATE SET first_seen = least(node.first_seen, excluded.first_seen),
                                last_seen = greatest(node.last_seen, excluded.last_seen)
WHERE excluded.first_seen < node.first_seen OR excluded.last_seen > node.last_seen
RETURNING node_id, namespace, name, xmax = 0
"""
_FIELDS = """
INSERT INTO field (node_id, name, type, position, description, first_seen)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::text[], %s::timestamptz[]) AS f ORDER BY 1, 2
ON CONFLICT (node_id, key) DO UPDATE SET
    first_seen = least(field.first_seen, excluded.first_seen),
    type = CASE WHEN field.type = '' THEN excluded.type ELSE field.type END,
    position = coalesce(field.position, excluded.position),
    description = CASE WHEN field.description = '' THEN excluded.description ELSE field.description END
WHERE excluded.first_seen < field.first_seen OR (field.type = '' AND excluded.type <> '')
   OR (field.position IS NULL AND excluded.position IS NOT NULL)
   OR (field.description = '' AND excluded.description <> '')
RETURNING node_id, position IS NOT NULL, first_seen
"""
_FIELD_IDS = """
SELECT c.node_id, c.name, f.field_id
FROM unnest(%s::bigint[], %s::text[]) AS c (node_id, name)
JOIN field f ON f.node_id = c.node_id AND f.key = name_key('', c.name)
"""
_PLACES = """
INSERT INTO location (place, node_id, seen_at)
SELECT p.place, n.node_id, p.at FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
    AS p (place, namespace, name, at) JOIN node n ON n.key = name_key(p.namespace, p.name) ORDER BY 1
ON CONFLICT (place_id) DO UPDATE SET node_id = excluded.node_id, seen_at = excluded.seen_at
WHERE (excluded.seen_at, excluded.node_id) > (location.seen_at, location.node_id)
RETURNING place
"""
_ALIASES = """
WITH raw AS MATERIALIZED (
    SELECT d.dataset_id, d.place_id, coalesce(l.node_id, n.node_id) AS node_id
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[]) AS d (dataset_id, place_id, namespace, name)
    LEFT JOIN location l USING (place_id) LEFT JOIN node n ON n.key = name_key(d.namespace, d.name))
INSERT INTO alias (dataset_id, place_id, node_id) SELECT dataset_id, place_id, node_id FROM raw ORDER BY 1
ON CONFLICT (dataset_id) DO UPDATE SET node_id = excluded.node_id WHERE alias.node_id <> excluded.node_id
RETURNING dataset_id, xmax = 0
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What an event tells of a column."""

    name: str
    type: str = ""
    position: int | None = None
    description: str = ""


async def ensure_nodes(connection: Connection, seen: Mapping[Table, tuple[datetime, datetime]], catalog: str) -> None:
    """Make the nodes that are missing; each was seen from one time to another."""
    if not seen:
        return
    rows = [(table.namespace, table.name, names.kind_of(table, catalog), *times) for table, times in seen.items()]
    cursor = await connection.execute(_NODES, [list(column) for column in zip(*rows, strict=True)])
    await tell(connection, "node", [row[0] for row in await cursor.fetchall() if row[3]])


async def ids(connection: Connection, tables: Iterable[Table]) -> dict[Table, int]:
    """Return the node of each table that has one."""
    wanted = list(dict.fromkeys(tables))
    cursor = await connection.execute(
        "SELECT namespace, name, node_id FROM unnest(%s::text[], %s::text[]) AS t (ns, n)"
        " JOIN node ON key = name_key(ns, n)",
        ([table.namespace for table in wanted], [table.name for table in wanted]),
    )
    return {Table(row[0], row[1]): row[2] for row in await cursor.fetchall()}


async def ensure_fields(connection: Connection, told: Mapping[tuple[int, str], tuple[Told, datetime]]) -> None:
    """Make or complete columns, by node and name; what is known of one already stays."""
    if not told:
        return
    rows = [
        (node, name, column.type, column.position, column.description, at)
        for (node, name), (column, at) in told.items()
    ]
    cursor = await connection.execute(_FIELDS, [list(column) for column in zip(*rows, strict=True)])
    changed = await cursor.fetchall()
    await tell(connection, "node", {row[0] for row in changed})
    since = min((row[2] for row in changed if row[1]), default=None)
    if since is not None:
        await due.mark_statements(connection, {row[0] for row in changed if row[1]}, since)


async def field_ids(
    connection: Connection, columns: Mapping[Column, datetime], nodes: Mapping[Table, int]
) -> dict[Column, int]:
    """Return the field of each column; those that are missing are made, as seen at the time that goes with them."""
    wanted = {(nodes[column.table], column.name): column for column in columns}
    keys = sorted(wanted)
    parameters = ([key[0] for key in keys], [key[1] for key in keys])
    cursor = await connection.execute(_FIELD_IDS, parameters)
    found = {(row[0], row[1]): row[2] for row in await cursor.fetchall()}
    missing = [key for key in keys if key not in found]
    if missing:
        await ensure_fields(connection, {key: (Told(name=key[1]), columns[wanted[key]]) for key in missing})
        cursor = await connection.execute(_FIELD_IDS, parameters)
        found = {(row[0], row[1]): row[2] for row in await cursor.fetchall()}
    return {wanted[key]: field for key, field in found.items()}


async def ensure_places(connection: Connection, places: Mapping[str, tuple[Table, datetime]]) -> None:
    """Remember which table is at each place, the latest to be seen there; what meant another table is derived again."""
    if not places:
        return
    rows = [(place, table.namespace, table.name, at) for place, (table, at) in places.items()]
    cursor = await connection.execute(_PLACES, [list(column) for column in zip(*rows, strict=True)])
    await realias(connection, [row[0] for row in await cursor.fetchall()])


async def realias(connection: Connection, places: Collection[str]) -> None:
    """Give the names that are at these places the table that is there, and derive again the runs that used them."""
    if not places:
        return
    cursor = await connection.execute(
        "UPDATE alias SET node_id = l.node_id FROM location l, unnest(%s::text[]) AS p (place)"
        " WHERE l.place_id = name_key('', p.place) AND alias.place_id = l.place_id AND alias.node_id <> l.node_id"
        " RETURNING dataset_id",
        (list(places),),
    )
    await due.mark_datasets(connection, [row[0] for row in await cursor.fetchall()])


async def ensure_aliases(connection: Connection, raw: Mapping[Name, Table]) -> None:
    """Say which node each raw name means: the table at its place, else the name that itself tells (its node exists)."""
    if not raw:
        return
    rows = [
        (key_of(*name), key_of("", names.place_of(*name)), table.namespace, table.name) for name, table in raw.items()
    ]
    cursor = await connection.execute(_ALIASES, [list(column) for column in zip(*rows, strict=True)])
    await due.mark_datasets(connection, [row[0] for row in await cursor.fetchall() if not row[1]])


async def resolver(connection: Connection, raw: Collection[Name], catalog: str) -> names.Resolver:
    """Return what gives each of these raw names the name of its table."""
    places = {key_of("", names.place_of(*name)) for name in raw}
    cursor = await connection.execute(
        "SELECT place, namespace, name FROM location JOIN node USING (node_id) WHERE place_id = ANY(%s)",
        (list(places),),
    )
    return names.Resolver(catalog, {row[0]: Table(row[1], row[2]) for row in await cursor.fetchall()})


def key_of(namespace: str, name: str) -> UUID:
    """Return what the database's function name_key returns."""
    return UUID(md5(f"{namespace}\n{name}".encode(), usedforsecurity=False).hexdigest())


def columns_told(dataset: Mapping[str, Any], *, whole: bool) -> list[Told]:
    """Return the columns of a dataset's schema facet; ``whole`` when it lists all of them, in their order."""
    facets = dataset.get("facets")
    schema = facets.get("schema") if isinstance(facets, dict) else None
    fields = schema.get("fields") if isinstance(schema, dict) else None
    found: dict[str, Told] = {}
    for position, field in enumerate(fields if isinstance(fields, list) else []):
        name = _text(field, "name")
        if name and name not in found:
            found[name] = Told(
                name=name,
                type=_text(field, "type"),
                position=position if whole else None,
                description=_text(field, "description"),
            )
    return list(found.values())


def _text(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return storable(value) if isinstance(value, str) else ""
