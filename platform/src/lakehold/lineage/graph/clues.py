"""What events say that leads from a snapshot to a run: a Spark application, and the snapshots a run says it made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.graph.merge import at

_LONGEST = 200
"""Characters of an application's id or a version; what is longer is neither."""
# Of a run that was removed meanwhile there is nothing to find.
_KEEP = """
INSERT INTO clue (kind, value, run_id)
SELECT c.* FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS c (kind, value, run_id) JOIN run USING (run_id)
ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
"""

Clue = tuple[str, str]
"""``application`` or ``version``, and its id."""


def clues_of(event: Mapping[str, Any]) -> Iterator[Clue]:
    """Yield the Spark application the run belongs to, and the snapshots it says it made."""
    application = at(event, "run", "facets", "spark_applicationDetails", "applicationId")
    if _short(application):
        yield "application", str(application)
    outputs = event.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        version = at(output, "facets", "version", "datasetVersion")
        if _short(version) and str(version).isdecimal():
            yield "version", str(version)


async def write(connection: AsyncConnection[TupleRow], found: set[tuple[str, str, UUID]]) -> None:
    """Write clues down, each with its run."""
    if found:
        await connection.execute(_KEEP, [list(column) for column in zip(*found, strict=True)])


def _short(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isascii() and value.isprintable()
