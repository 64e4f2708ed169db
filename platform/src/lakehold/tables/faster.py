"""Who was faster: finds the run or the engine that changed a table since it was cloned or published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lakehold.errors import ConflictError, LakeholdError
from lakehold.tables import ledger, metadata
from lakehold.tables.files import Files
from lakehold.tables.ledger import Connection, Shadow
from lakehold.tables.plan import Step
from lakehold.tables.pointers import Name, Pointer

_WRITERS = (
    (metadata.MAINTENANCE, "maintenance action"),
    ("trino_query_id", "Trino query"),
    ("spark.app.id", "Spark application"),
    ("engine-name", "engine"),
)
"""What engines leave in a snapshot's summary, the most telling first."""


def conflict(files: Files, catalog: str, connection: Connection, shadow: Shadow, step: Step) -> ConflictError:
    """Return the error for a step whose table is no longer what was cloned."""
    return ConflictError(
        f"{step.full_name} is not what it was when it was cloned, so nothing of run "
        f'"{shadow.run}" (group {shadow.group}) was published.',
        why=who(files, catalog, connection, (step.schema, step.name), step.target),
        remedy="do the run's work again on what is there now (in Airflow: clear the group from its first task)",
    )


def who(files: Files, catalog: str, connection: Connection, table: Name, now: Pointer | None) -> str:
    """Say who changed the table last; ``now`` is where it is found."""
    last = next(iter(ledger.of_table(connection, catalog, *table)), None)
    by = "" if last is None else f'run "{last.run}" ({last.kind} at {last.at:%Y-%m-%d %H:%M:%S %Z})'
    change = last.changes[0] if last else None
    if last and change and change.new == (now.location if now else None):
        return f"{by} was faster"
    if now is None:
        return "it was dropped"
    return f"{_engine(files, now)} was faster" + (f"; before that, {by}" if by else "")


def _engine(files: Files, now: Pointer) -> str:
    try:
        found = files.read(now.location)
    except LakeholdError:
        return "somebody else"
    current = metadata.current_snapshot(found)
    at = datetime.fromtimestamp(int(found.get("last-updated-ms", 0)) / 1000, UTC)
    snapshot = metadata.snapshots(found).get(current or -1, {})
    return f"{wrote(snapshot) or 'another writer'} (at {at:%Y-%m-%d %H:%M:%S %Z})"


def wrote(snapshot: Mapping[str, Any]) -> str:
    """Say which engine made a snapshot, as far as it has left its name."""
    summary = snapshot.get("summary", {})
    return next((f"{name} {summary[key]}" for key, name in _WRITERS if summary.get(key)), "")
