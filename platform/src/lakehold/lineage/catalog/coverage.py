"""Coverage: how many snapshots of the catalog's tables a run explains, and what is known of those that none does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from lakehold.lineage.catalog.maker import Maker, maker_of
from lakehold.lineage.catalog.pointers import Name

MOST_ROWS = 10_000
_MOST_DIGITS = 18
_HERE = """
WITH here AS (
    SELECT n.name AS table_name, s.*, r.run_id IS NOT NULL AS told_again FROM snapshot s JOIN node n USING (node_id)
        LEFT JOIN rederived r ON r.run_id = s.run_id
    WHERE n.namespace = %(catalog)s AND s.gone_at IS NULL
        AND (%(table)s = '' OR n.name = %(table)s OR n.name LIKE %(schema)s)
        AND (%(since)s::timestamptz IS NULL OR s.committed_at >= %(since)s))
"""
_TABLES = """
SELECT table_name, count(*) AS snapshots, count(matched_by) AS explained,
    count(*) FILTER (WHERE matched_by IS NOT NULL AND told_again) AS rederived,
    count(*) FILTER (WHERE matched_by IS NULL AND run_id IS NOT NULL) AS partly,
    count(*) FILTER (WHERE matched_by IS NULL AND run_id IS NULL) AS unexplained
FROM here GROUP BY table_name ORDER BY table_name
"""
_MISSING = """
SELECT h.table_name, h.snapshot_id, h.committed_at, h.operation, h.summary, h.run_id, h.asked,
    j.namespace AS job_namespace, j.name AS job_name
FROM here h LEFT JOIN run r USING (run_id) LEFT JOIN job j USING (job_id)
WHERE h.matched_by IS NULL ORDER BY h.committed_at DESC, h.table_name, h.snapshot_id LIMIT %(limit)s
"""
# One who has not looked for half a minute cannot say that nothing is missing.
_READING = """
SELECT read_at, unread, CASE WHEN problem <> '' OR read_at > clock_timestamp() - interval '30 s' THEN problem
    ELSE 'it was last read at ' || to_char(read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' END AS problem
FROM catalog_reading WHERE catalog = %s
"""
_BEHIND = """
SELECT count(*) AS behind FROM event
WHERE event_id > (SELECT min(position) FROM stage WHERE name IN ('graph', 'graph2'))
"""
_COUNTS = ("snapshots", "explained", "rederived", "partly", "unexplained")


async def coverage(
    connection: AsyncConnection[TupleRow], catalog: str, *, table: str, since: datetime | None, limit: int
) -> dict[str, Any]:
    """Return the counts, by table and in all, and what is missing, newest first.

    ``table`` is a table, a schema, or empty for all.
    """
    values = {"catalog": catalog, "table": table, "schema": _pattern(table), "since": since, "limit": limit + 1}
    async with connection.cursor(row_factory=dict_row) as cursor:
        tables = await (await cursor.execute(_HERE + _TABLES, values)).fetchall()
        missing = await (await cursor.execute(_HERE + _MISSING, values)).fetchall()
        reading = await (await cursor.execute(_READING, (catalog,))).fetchone()
        behind = await (await cursor.execute(_BEHIND)).fetchone()
    total = {name: sum(row[name] for row in tables) for name in _COUNTS}
    return {
        "catalog": catalog,
        "read_at": reading["read_at"] if reading else None,
        "problem": reading["problem"] if reading else "the service has not read a catalog yet",
        "unread": _of(reading["unread"], table) if reading else {},
        "behind": behind["behind"] if behind else 0,
        **total,
        "percent": percent(total["explained"], total["snapshots"]),
        "tables": [{**row, "percent": percent(row["explained"], row["snapshots"])} for row in tables],
        "missing": [_missing(row) for row in missing[:limit]],
        "truncated": len(missing) > limit,
    }


def percent(part: int, whole: int) -> float:
    """Return the share in percent, cut to two digits: 100 is said of nothing but everything."""
    return 100.0 if not whole else 10_000 * part // whole / 100


def _missing(row: Mapping[str, Any]) -> dict[str, Any]:
    maker = maker_of(row["summary"])
    return {
        "table": row["table_name"],
        "snapshot": str(row["snapshot_id"]),
        "at": row["committed_at"],
        "operation": row["operation"],
        "rows": _rows(row["summary"]),
        "engine": row["summary"].get("engine-name") or maker.engine,
        "made_by": _made_by(maker, row["summary"]),
        "state": "partly" if row["run_id"] else "unexplained",
        "run": row["run_id"],
        "job": row["job_name"],
        "why": _why(maker, row),
    }


def _of(unread: Mapping[str, str], table: str) -> dict[str, str]:
    """Return those that count for the table or schema that was asked for: a shadow counts for its target."""
    targets = {name: str(Name(*name.rsplit(".", 1)).target) for name in unread}
    return {name: unread[name] for name, own in targets.items() if not table or f"{own}.".startswith(f"{table}.")}


def _rows(summary: Mapping[str, str]) -> int:
    """Return how many rows a snapshot brought, as far as its summary, which may say anything, says so."""
    added = summary.get("added-records", "")
    return int(added) if len(added) <= _MOST_DIGITS and added.isascii() and added.isdecimal() else 0


def _made_by(maker: Maker, summary: Mapping[str, str]) -> str:
    """Say what the snapshot names."""
    parts = []
    if maker.task:
        parts.append(f"{maker.task.job}, run {maker.task.run}")
    if maker.query:
        parts.append(f"query {maker.query} of user {summary.get('trino_user', '?')}")
    if maker.application:
        name = summary.get("app-name", "")
        parts.append(f"Spark application {maker.application}" + (f" ({name})" if name and not maker.task else ""))
    return ", ".join(parts)


def _why(maker: Maker, row: Mapping[str, Any]) -> str:
    if row["run_id"]:
        return "its run is known, but not what the run read: no event says that it wrote this table"
    if row["operation"] == "view":
        return "no run that wrote the view at that time was reported"
    if maker.query:
        asked = ", and Trino knows it no more" if row["asked"] else ""
        return f"its query was not reported{asked}"
    if maker.application or maker.task:
        return "its run was not reported"
    return "it names no query, application or task"


def _pattern(schema: str) -> str:
    escaped = schema.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}.%"
