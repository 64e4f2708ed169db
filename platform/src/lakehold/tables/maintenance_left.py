"""Clears folders that runs have left behind, when no table of the catalog can have a file there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from lakehold.config.platform import Platform
from lakehold.tables import guard, leavings
from lakehold.tables.leavings import Left
from lakehold.tables.ledger import Connection
from lakehold.tables.maintenance_history import DONE, Record
from lakehold.tables.maintenance_table import FAILED, FAILURES, Outcome
from lakehold.tables.policy import Policy
from lakehold.tables.references import Object, Store, Unreadable, meeting, place
from lakehold.tables.told import by_pyiceberg

_METADATA = ".metadata.json"


class Clearing:
    """Clears one folder after the other; ``records`` is what is to be written down."""

    def __init__(self, platform: Platform, connection: Connection, run_id: str) -> None:
        self._catalog = platform.catalog["name"]
        self._connection = connection
        self._store = Store(platform.catalog)
        self._run_id = run_id
        self.records: list[Record] = []

    def due(self) -> list[Left]:
        """Return what is to be cleared."""
        return leavings.overdue(self._connection, self._catalog)

    def clear(self, left: Left, policy: Policy, everything: Any) -> Iterator[Outcome]:
        """Clear a folder; ``everything`` loads all tables of the catalog."""
        began, told = datetime.now(UTC), ""
        # A rollback that puts the table in force again, and so wants its files, waits for this, or goes before it.
        with guard.holding(self._connection, left.schema, left.table) as held:
            if not held:
                return
            try:
                with by_pyiceberg():
                    gone = self._cleared(left, began - policy.orphans.older, everything)
            except FAILURES as error:
                gone, told = [], str(error)
        if not gone and not told:
            return
        size = sum(found.bytes for found in gone)
        told = told or f"{len(gone):,} files deleted, {size:,} bytes, of a table that run {left.run} left"
        outcome = DONE if gone else FAILED
        self.records.append(_record(self._run_id, left, outcome, told, began, gone))
        yield Outcome(table=left.name, action=None, outcome=outcome, told=told)

    def _cleared(self, left: Left, before: datetime, everything: Any) -> Sequence[Object]:
        """Delete what lies in the folder, unless it is, or may be, a table's; returns what was deleted."""
        # First the listing, then the tables: one that is made in between is known, and its files are young.
        listed = list(self._store.below(left.folder))
        tables = meeting(left.folder, everything())
        owners = [table for table in tables if not isinstance(table, Unreadable)]
        if any(place(left.folder + "/").startswith(place(table.location().rstrip("/") + "/")) for table in owners):
            leavings.strike(self._connection, self._catalog, [left.folder])  # its own maintenance knows it
            return []
        if tables or any(found.changed >= before for found in listed):
            return []
        # Without its metadata the table is never put into the catalog again, however far this gets.
        self._store.delete([found.place for found in listed if found.place.endswith(_METADATA)])
        self._store.delete([found.place for found in listed])
        leavings.strike(self._connection, self._catalog, [left.folder])
        return listed


def _record(run_id: str, left: Left, outcome: str, reason: str, began: datetime, gone: Sequence[Object]) -> Record:
    return Record(
        run_id=run_id,
        table_name=left.name,
        table_uuid="",
        action="clear",
        engine="pyiceberg",
        outcome=outcome,
        reason=reason,
        started_at=began,
        ended_at=datetime.now(UTC),
        removed_files=len(gone),
        removed_bytes=sum(found.bytes for found in gone),
    )
