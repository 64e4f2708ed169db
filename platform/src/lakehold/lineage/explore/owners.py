"""Who answers for a process: the owners its latest run's own task names."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.explore.find import rows

_MOST_PROCESSES = 200

# The bodies are read as json, not jsonb: those have no zero bytes, and events may.
_OWNERS: LiteralString = """
SELECT DISTINCT ON (w.process_id) w.process_id AS process, e.body::json #> '{job,facets,ownership,owners}' AS owners
FROM unnest(%(processes)s::bigint[]) AS w (process_id)
CROSS JOIN LATERAL (SELECT coalesce(process_run, run_id) AS run_id FROM run
    WHERE run.process_id = w.process_id ORDER BY first_seen DESC LIMIT 1) AS r
JOIN event e ON e.run_id = r.run_id
WHERE e.body::json #> '{job,facets,ownership,owners}' IS NOT NULL
ORDER BY w.process_id, e.event_id DESC
"""


async def owners(connection: AsyncConnection[TupleRow], processes: Collection[int]) -> dict[int, list[str]]:
    """Return the owners of each process that names some; of the first 200 processes."""
    found = await rows(connection, _OWNERS, {"processes": sorted(processes)[:_MOST_PROCESSES]})
    return {row["process"]: _names(row["owners"]) for row in found if _names(row["owners"])}


def _names(facet: object) -> list[str]:
    """Return the names in an ownership facet; whatever else is there counts as not said."""
    listed = facet if isinstance(facet, list) else []
    return sorted({str(one["name"]) for one in listed if isinstance(one, dict) and one.get("name")})
