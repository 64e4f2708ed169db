"""What there is to look at: every table, every process, one process, and the graph of all tables at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore import names
from lakehold.lineage.explore.find import rows
from lakehold.lineage.explore.graph import pieces
from lakehold.lineage.explore.walk import VALID
from lakehold.lineage.model import Table

MOST_ROWS = 10_000

# The latest result of each check, as of the time; a table has few checks, so 200 results hold them all.
_TABLES: LiteralString = """
SELECT n.node_id AS id, n.namespace, n.name, n.kind, n.description, n.first_seen, n.last_seen,
    (SELECT count(*) FROM field f WHERE f.node_id = n.node_id AND f.name <> '' AND f.first_seen <= %(at)s
        AND (f.removed_at IS NULL OR f.removed_at > %(at)s)) AS columns,
    checks.passed, checks.warned, checks.failed
FROM node n CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE success) AS passed, count(*) FILTER (WHERE NOT success AND warns) AS warned,
        count(*) FILTER (WHERE NOT success AND NOT warns) AS failed FROM (
        SELECT DISTINCT ON (column_name, name) success, coalesce(details->>'severity' = 'warn', false) AS warns FROM (
            SELECT column_name, name, success, at, details FROM assertion_result r
            WHERE r.node_id = n.node_id AND r.at <= %(at)s ORDER BY r.at DESC LIMIT 200) AS recent
        ORDER BY column_name, name, at DESC) AS latest) AS checks
WHERE n.first_seen <= %(at)s AND strpos(lower(n.name), %(name)s) > 0
ORDER BY n.namespace, n.name LIMIT %(limit)s
"""
_PROCESSES: LiteralString = """
SELECT p.process_id AS id, p.namespace, p.name, p.kind, p.first_seen, p.last_seen, latest.state, latest.started_at
FROM process p LEFT JOIN LATERAL (
    SELECT r.state, coalesce(r.started_at, r.first_seen) AS started_at FROM run r
    WHERE r.process_id = p.process_id AND r.first_seen <= %(at)s ORDER BY r.first_seen DESC LIMIT 1) AS latest ON true
WHERE p.first_seen <= %(at)s AND strpos(lower(p.name), %(name)s) > 0
ORDER BY p.name, p.namespace LIMIT %(limit)s
"""
_PROCESS: LiteralString = """
SELECT process_id AS id, namespace, name, kind, first_seen, last_seen FROM process WHERE process_id = %(process)s
"""
_TOUCHED: LiteralString = f"""
SELECT DISTINCT n.node_id AS id, n.namespace, n.name, n.kind, side.role
FROM (SELECT DISTINCT target_node FROM shape WHERE process_id = %(process)s) AS w
JOIN edge e ON e.target_node = w.target_node AND e.process_id = %(process)s AND e.how = '' AND {VALID}
CROSS JOIN LATERAL (VALUES ('reads', e.source_node), ('writes', e.target_node)) AS side (role, node_id)
JOIN node n ON n.node_id = side.node_id ORDER BY side.role, n.namespace, n.name LIMIT 500
"""  # noqa: S608 - constants only
_RUNS: LiteralString = """
SELECT r.run_id AS id, j.name AS job, r.state, coalesce(r.started_at, r.first_seen) AS started_at, r.ended_at
FROM run r JOIN job j USING (job_id) WHERE r.process_id = %(process)s AND r.first_seen <= %(at)s
ORDER BY r.first_seen DESC, r.run_id LIMIT 20
"""
_STATEMENTS: LiteralString = """
SELECT DISTINCT ON (s.target_node) s.sql, s.dialect, s.believed, s.at, n.namespace, n.name
FROM (SELECT DISTINCT target_node FROM shape WHERE process_id = %(process)s LIMIT 20) AS w
JOIN statement s ON s.target_node = w.target_node AND s.process_id = %(process)s AND s.at <= %(at)s AND s.sql <> ''
JOIN node n ON n.node_id = s.target_node ORDER BY s.target_node, s.at DESC
"""
_EVERY_EDGE: LiteralString = f"""
SELECT e.edge_id, e.source_field, e.target_field, e.process_id, e.direct, e.how, e.believed, e.expression,
    e.first_seen, e.last_seen FROM edge e WHERE e.how = '' AND {VALID} ORDER BY e.edge_id LIMIT %(limit)s + 1
"""  # noqa: S608 - constants only

Connection = AsyncConnection[TupleRow]


async def tables(connection: Connection, name: str, at: datetime, limit: int, catalog: str) -> dict[str, Any]:
    """Return every table, view and file there was, with how its latest checks went."""
    found = await rows(connection, _TABLES, {"name": name.lower(), "at": at, "limit": limit + 1})
    return {"tables": [_titled(row, catalog) for row in found[:limit]], "truncated": len(found) > limit}


async def processes(connection: Connection, name: str, at: datetime, limit: int) -> dict[str, Any]:
    """Return every process there was, with how its latest run went."""
    found = await rows(connection, _PROCESSES, {"name": name.lower(), "at": at, "limit": limit + 1})
    return {"processes": found[:limit], "truncated": len(found) > limit}


async def process(connection: Connection, id_: int, at: datetime, catalog: str) -> dict[str, Any]:
    """Return what one process reads and writes, its newest runs and its statements."""
    values = {"process": id_, "at": at}
    found = await rows(connection, _PROCESS, values)
    if not found:
        raise AnswerError(404, "the graph has no such process")
    touched = [_titled(row, catalog) for row in await rows(connection, _TOUCHED, values)]
    statements = await rows(connection, _STATEMENTS, values)
    return {
        **found[0],
        "reads": [row for row in touched if row["role"] == "reads"],
        "writes": [row for row in touched if row["role"] == "writes"],
        "runs": await rows(connection, _RUNS, values),
        "statements": [_titled(row, catalog) for row in statements],
    }


async def overview(connection: Connection, at: datetime, limit: int, catalog: str) -> dict[str, Any]:
    """Return the graph of all tables as wholes: at most ``limit`` edges of it."""
    edges = await rows(connection, _EVERY_EDGE, {"at": at, "limit": limit})
    kept = edges[:limit]
    ends = {edge[side] for edge in kept for side in ("source_field", "target_field")}
    return {**await pieces(connection, ends, kept, catalog), "truncated": len(edges) > limit}


def _titled(row: dict[str, Any], catalog: str) -> dict[str, Any]:
    return {**row, "title": names.title(Table(row["namespace"], row["name"]), catalog)}
