"""What gates found out: the assertions that events carry for the tables they read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.event import storable
from lakehold.lineage.graph import nodes
from lakehold.lineage.graph.changes import tell
from lakehold.lineage.graph.merge import at
from lakehold.lineage.graph.names import Resolver
from lakehold.lineage.graph.runs import DueRun
from lakehold.lineage.model import Table

_PUT = """
INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at, details)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (run_id, node_id, key) DO UPDATE SET
    success = excluded.success, at = excluded.at, details = excluded.details
"""
_TAKE_BACK = """
DELETE FROM assertion_result r WHERE run_id = %s AND NOT EXISTS (
    SELECT 1 FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS said (node_id, column_name, name)
    WHERE said.node_id = r.node_id AND said.column_name = r.column_name AND said.name = r.name)
"""
_SEEN_ELSEWHERE = frozenset({"success", "column", "name"})


Results = dict[tuple[Table, str, str], tuple[bool, str]]
"""Table, column (empty: the table as a whole) and name → whether it holds, and the rest as JSON."""


def results(merged: Mapping[str, Any], resolve: Resolver) -> Results:
    """Return what a run's events say was found out."""
    found: Results = {}
    for dataset in merged.get("inputs") or []:
        # Older events have the facet among those of the dataset.
        for holder in ("facets", "inputFacets"):
            given = at(dataset, holder, "dataQualityAssertions", "assertions")
            for assertion in given if isinstance(given, list) else ():
                name = _text(assertion, "name") or _text(assertion, "assertion")
                success = assertion.get("success") if isinstance(assertion, dict) else None
                if name and isinstance(success, bool):
                    table = resolve(storable(dataset["namespace"]), storable(dataset["name"]))
                    found[table, _text(assertion, "column"), name] = success, _details(assertion)
    return found


async def store(connection: AsyncConnection[TupleRow], one: DueRun, found: Results) -> None:
    """Keep the results of a run, and of what was kept before only what it still says."""
    if not found and not one.tested:
        return
    tables = await nodes.ids(connection, {table for table, _, _ in found})
    put = [(tables[table], *key, *result) for (table, *key), result in found.items() if table in tables]
    for node, column, name, success, details in put:
        await connection.execute(_PUT, (one.run.run_id, node, column, name, success, one.at, details))
    if one.tested:
        said = [[row[index] for row in put] for index in range(3)]
        await connection.execute(_TAKE_BACK, (one.run.run_id, *said))
    await tell(connection, "quality", [one.run.run_id])


def _details(assertion: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in assertion.items() if key not in _SEEN_ELSEWHERE}
    # PostgreSQL's jsonb holds no NUL, nor halves of surrogate pairs.
    return storable(json.dumps(rest, ensure_ascii=False)).replace("\\u0000", "\N{REPLACEMENT CHARACTER}")


def _text(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return storable(value) if isinstance(value, str) else ""
