"""Write what a metadata file says into the graph: node, columns, location, snapshots; one transaction a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from lakehold.lineage.catalog.described import Described, Snapshot
from lakehold.lineage.catalog.maker import maker_of
from lakehold.lineage.catalog.pointers import Name
from lakehold.lineage.graph import due, nodes
from lakehold.lineage.graph.changes import tell
from lakehold.lineage.model import Table

Connection = AsyncConnection[TupleRow]

_NODE = """
INSERT INTO node AS n (namespace, name, kind, description, first_seen, last_seen)
VALUES (%(catalog)s, %(name)s, %(kind)s, %(description)s, %(since)s, %(changed)s)
ON CONFLICT (key) DO UPDATE SET
    kind = CASE WHEN %(own)s THEN excluded.kind ELSE n.kind END,
    description = CASE WHEN %(own)s THEN excluded.description ELSE n.description END,
    first_seen = least(n.first_seen, excluded.first_seen), last_seen = greatest(n.last_seen, excluded.last_seen)
RETURNING node_id
"""
_KNOWN = "SELECT kind, description FROM node WHERE key = name_key(%s, %s)"
_FIELDS = """
INSERT INTO field AS f (node_id, name, type, position, description, first_seen)
SELECT %(node)s, new.* FROM unnest(%(names)s::text[], %(types)s::text[], %(positions)s::integer[],
                                   %(descriptions)s::text[], %(since)s::timestamptz[]) AS new
ON CONFLICT (node_id, key) DO UPDATE SET type = excluded.type, position = excluded.position,
    description = excluded.description, first_seen = least(f.first_seen, excluded.first_seen), removed_at = NULL
WHERE (f.type, f.position, f.description) IS DISTINCT FROM (excluded.type, excluded.position, excluded.description)
   OR f.removed_at IS NOT NULL OR f.first_seen > excluded.first_seen
"""
_COLUMNS = "SELECT name, position, first_seen, removed_at IS NULL FROM field WHERE node_id = %s AND name <> ''"
# Columns that only events have told of, the inner ones of a struct among them, have no place of their own.
_REMOVED = """
UPDATE field SET removed_at = %(changed)s
WHERE node_id = %(node)s AND position IS NOT NULL AND removed_at IS NULL AND NOT name = ANY(%(names)s)
"""
# A view's versions count from one, so two runs' shadows may have another version of the same number.
_SNAPSHOTS = """
INSERT INTO snapshot AS s (node_id, snapshot_id, parent_id, committed_at, operation, summary, maker, application)
SELECT %(node)s, new.* FROM unnest(%(ids)s::bigint[], %(parents)s::bigint[], %(times)s::timestamptz[],
    %(operations)s::text[], %(summaries)s::jsonb[], %(makers)s::uuid[], %(applications)s::text[]) AS new
ON CONFLICT (node_id, snapshot_id) DO UPDATE SET gone_at = NULL, committed_at = excluded.committed_at,
    summary = excluded.summary, maker = excluded.maker, application = excluded.application,
    run_id = CASE WHEN s.committed_at = excluded.committed_at THEN s.run_id END,
    matched_by = CASE WHEN s.committed_at = excluded.committed_at THEN s.matched_by END
WHERE s.gone_at IS NOT NULL OR s.committed_at <> excluded.committed_at
"""
_ENTRY = """
INSERT INTO catalog_entry (name, node_id, kind, metadata, location, snapshots)
VALUES (%(full)s, %(node)s, %(kind)s, %(metadata)s, %(place)s, %(ids)s)
ON CONFLICT (name) DO UPDATE SET node_id = excluded.node_id, kind = excluded.kind, metadata = excluded.metadata,
    location = excluded.location, snapshots = excluded.snapshots, read_at = clock_timestamp()
"""
_GONE = """
UPDATE snapshot s SET gone_at = clock_timestamp() WHERE s.node_id = ANY(%(nodes)s) AND s.gone_at IS NULL
AND NOT EXISTS (SELECT 1 FROM catalog_entry e, unnest(e.snapshots) AS k (id)
                WHERE e.node_id = s.node_id AND k.id = s.snapshot_id)
"""
_TEXT = """
INSERT INTO view_version (node_id, version_id, made_at, sql, dialect, schema) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (node_id, version_id) DO UPDATE SET made_at = excluded.made_at, sql = excluded.sql,
    dialect = excluded.dialect, schema = excluded.schema
"""


async def keep(connection: Connection, catalog: str, name: Name, metadata: str, table: Described, *, own: bool) -> None:
    """Write a table down as its metadata file describes it.

    ``own`` is false for a shadow of a table that is published: its snapshots count, its columns do not yet.
    """
    async with connection.transaction():
        known = await (await connection.execute(_KNOWN, (catalog, str(name.target)))).fetchone()
        node = await _node(connection, catalog, name, table, own=own)
        await nodes.ensure_places(connection, {table.location: (Table(catalog, str(name.target)), table.changed)})
        if own:
            before = await (await connection.execute(_COLUMNS, (node,))).fetchall()
            different = await _fields(connection, node, table)
            if different or known != (table.kind, table.description):
                await tell(connection, "node", [node])
            since = _different_since(before, table)
            if since is not None:
                # Statements that were read with other columns are read again.
                await due.mark_statements(connection, [node], since)
            await _texts(connection, node, table)
        await _snapshots(connection, node, table.snapshots)
        await connection.execute(
            _ENTRY,
            {
                "full": str(name),
                "node": node,
                "kind": table.kind,
                "metadata": metadata,
                "place": table.location,
                "ids": [snapshot.id for snapshot in table.snapshots],
            },
        )
        await connection.execute(_GONE, {"nodes": [node]})


async def forget(connection: Connection, names: Collection[Name]) -> None:
    """Strike out what is in the catalog no more. Its history stays, as that of a table that was."""
    async with connection.transaction():
        cursor = await connection.execute(
            "DELETE FROM catalog_entry WHERE name = ANY(%s) RETURNING node_id", ([str(name) for name in names],)
        )
        nodes = sorted({node for (node,) in await cursor.fetchall()})
        await connection.execute(_GONE, {"nodes": nodes})


async def _node(connection: Connection, catalog: str, name: Name, table: Described, *, own: bool) -> int:
    values = {
        "catalog": catalog,
        "name": str(name.target),
        "kind": table.kind,
        "description": table.description,
        "since": table.since,
        "changed": table.changed,
        "own": own,
    }
    row = await (await connection.execute(_NODE, values)).fetchone()
    return int(row[0]) if row else 0


async def _fields(connection: Connection, node: int, table: Described) -> int:
    """Return how many columns are new, different or gone."""
    names = [column.name for column in table.fields]
    values = {
        "node": node,
        "names": names,
        "types": [column.type for column in table.fields],
        "positions": [column.position for column in table.fields],
        "descriptions": [column.description for column in table.fields],
        "since": [column.since for column in table.fields],
        "changed": table.changed,
    }
    written = (await connection.execute(_FIELDS, values)).rowcount
    return written + (await connection.execute(_REMOVED, values)).rowcount


def _different_since(before: Sequence[TupleRow], table: Described) -> datetime | None:
    """Return from when on a statement sees other columns, or another order of them, than were known before."""
    known = {name: rest for name, *rest in before}
    times = []
    for column in table.fields:
        position, first, there = known.pop(column.name, (None, column.since, False))
        if not there or position != column.position or first > column.since:
            times.append(min(first, column.since))
    # What is left is not in the table any more.
    if any(there and position is not None for position, _, there in known.values()):
        times.append(table.changed)
    return min(times, default=None)


async def _snapshots(connection: Connection, node: int, snapshots: Sequence[Snapshot]) -> None:
    cursor = await connection.execute(
        "SELECT snapshot_id, committed_at FROM snapshot WHERE node_id = %s AND gone_at IS NULL", (node,)
    )
    known = set(await cursor.fetchall())
    new = [one for one in snapshots if (one.id, one.at) not in known]
    if not new:
        return
    makers = [maker_of(one.summary) for one in new]
    runs: list[UUID | None] = [maker.run for maker in makers]
    values = {
        "node": node,
        "ids": [one.id for one in new],
        "parents": [one.parent for one in new],
        "times": [one.at for one in new],
        "operations": [one.operation for one in new],
        "summaries": [Jsonb(dict(one.summary)) for one in new],
        "makers": runs,
        "applications": [maker.application or None for maker in makers],
    }
    await connection.execute(_SNAPSHOTS, values)


async def _texts(connection: Connection, node: int, table: Described) -> None:
    rows = [(node, one.version, one.at, one.sql, one.dialect, one.schema) for one in table.texts]
    if rows:
        async with connection.cursor() as cursor:
            await cursor.executemany(_TEXT, rows)
