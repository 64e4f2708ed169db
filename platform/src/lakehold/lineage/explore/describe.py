"""One table as a whole: its columns, who writes and reads it, its latest runs, snapshots and gate results."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore import names
from lakehold.lineage.explore.find import Place, rows
from lakehold.lineage.explore.unknown import unknown_of
from lakehold.lineage.explore.walk import VALID
from lakehold.lineage.model import Table

_MOST_COLUMNS = 2000

_FIELDS: LiteralString = """
SELECT field_id AS id, name, type, position, description, first_seen, removed_at FROM field
WHERE node_id = %(node)s AND name <> '' AND first_seen <= %(at)s AND (removed_at IS NULL OR removed_at > %(at)s)
ORDER BY position NULLS LAST, name LIMIT 2001
"""
_PROCESSES: LiteralString = f"""
SELECT p.process_id AS id, p.namespace, p.name, p.kind, s.role, s.last_seen
FROM (SELECT process_id, 'writes' AS role, max(last_seen) AS last_seen FROM edge e
          WHERE target_node = %(node)s AND {VALID} GROUP BY 1
      UNION ALL
      SELECT process_id, 'reads', max(last_seen) FROM edge e
          WHERE source_node = %(node)s AND how = '' AND {VALID} GROUP BY 1) AS s
JOIN process p USING (process_id) ORDER BY s.role DESC, s.last_seen DESC LIMIT 100
"""  # noqa: S608 - constants only
_RUNS: LiteralString = """
SELECT r.run_id AS id, j.namespace AS job_namespace, j.name AS job, r.state,
    coalesce(r.started_at, r.first_seen) AS started_at, r.ended_at, x.roles, r.process_id AS process, r.parent_run_id
FROM (SELECT rd.run_id, array_agg(DISTINCT CASE rd.direction WHEN 'output' THEN 'writes' ELSE 'reads' END) AS roles
      FROM alias a JOIN run_dataset rd USING (dataset_id) JOIN run USING (run_id)
      WHERE a.node_id = %(node)s AND run.first_seen <= %(at)s
      GROUP BY rd.run_id, run.first_seen ORDER BY run.first_seen DESC, rd.run_id LIMIT 10) AS x
JOIN run r USING (run_id) JOIN job j USING (job_id) ORDER BY r.first_seen DESC, r.run_id
"""
_RESULTS: LiteralString = """
SELECT column_name AS "column", name, success, at, run_id, details FROM (
    SELECT DISTINCT ON (column_name, name) column_name, name, success, at, run_id, details
    FROM (SELECT * FROM assertion_result WHERE node_id = %(node)s AND at <= %(at)s
          ORDER BY at DESC LIMIT 5000) AS recent
    ORDER BY column_name, name, at DESC) AS latest
ORDER BY success, column_name, name LIMIT 500
"""
_SNAPSHOTS: LiteralString = """
SELECT snapshot_id::text AS id, parent_id::text AS parent, committed_at, operation, run_id, matched_by FROM snapshot
WHERE node_id = %(node)s AND committed_at <= %(at)s ORDER BY committed_at DESC, snapshot_id LIMIT 10
"""
_STATEMENTS: LiteralString = """
SELECT DISTINCT ON (s.process_id)
    s.sql, s.dialect, s.kind, s.believed, s.unknown, s.at, s.process_id AS process, s.run_id AS run
FROM (SELECT * FROM statement WHERE target_node = %(node)s AND at <= %(at)s ORDER BY at DESC LIMIT 500) AS s
ORDER BY s.process_id, s.at DESC
"""


async def describe(connection: AsyncConnection[TupleRow], place: Place, at: datetime, catalog: str) -> dict[str, Any]:
    """Return everything the graph knows of a table itself, as it was at a time."""
    node = place.node
    values = {"node": node["id"], "at": at}
    fields = await rows(connection, _FIELDS, values)
    statements = sorted(await rows(connection, _STATEMENTS, values), key=lambda row: row["at"], reverse=True)
    unknown = {row["column"]: row["reason"] for row in await unknown_of(connection, node["id"], at)}
    return {
        **node,
        "title": names.title(Table(node["namespace"], node["name"]), catalog),
        "field": place.field,
        "fields": fields[:_MOST_COLUMNS],
        "processes": await rows(connection, _PROCESSES, values),
        "runs": await rows(connection, _RUNS, values),
        "results": await rows(connection, _RESULTS, values),
        "snapshots": await rows(connection, _SNAPSHOTS, values),
        "statement": statements[0] if statements else None,
        "statements": statements[:20],
        "unknown": unknown,
        "truncated": len(fields) > _MOST_COLUMNS,
    }
