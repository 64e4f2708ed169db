"""What maintenance did, in the Iceberg table ``ops.table_maintenance``: one row an action, with before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from lakehold.config import ancestry
from lakehold.tables.maintenance_plan import Past
from lakehold.tables.state import TableState

TABLE = ("ops", "table_maintenance")
SEEN = "seen"
"""Action of the row that says when a table came to our notice."""
DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row. Counts, bytes and milliseconds are ``None`` where they were not measured."""

    run_id: str
    table_name: str
    table_uuid: str
    action: str
    engine: str
    outcome: str
    """``done``, ``given up`` or ``failed``."""
    reason: str
    started_at: datetime
    ended_at: datetime
    sequence_after: int | None = None
    files_before: int | None = None
    files_after: int | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    delete_files_before: int | None = None
    delete_files_after: int | None = None
    manifests_before: int | None = None
    manifests_after: int | None = None
    snapshots_before: int | None = None
    snapshots_after: int | None = None
    removed_files: int | None = None
    removed_bytes: int | None = None
    planning_ms_before: float | None = None
    planning_ms_after: float | None = None
    scan_ms_before: float | None = None
    scan_ms_after: float | None = None


def seen(run_id: str, state: TableState) -> Record:
    """Return the row that says a table has come to our notice."""
    now = datetime.now(UTC)
    return Record(
        run_id=run_id,
        table_name=state.name,
        table_uuid=state.uuid,
        action=SEEN,
        engine="pyiceberg",
        outcome=DONE,
        reason="new to our records",
        started_at=now,
        ended_at=now,
    )


_KINDS = {"datetime": "timestamp", "int | None": "int64", "float | None": "float64", "str": "string"}


class History:
    """Reads and writes the records; the table is made when the first record comes."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self._rows: list[dict[str, Any]] | None = None

    def past(self, uuid: str) -> Past:
        """Return what is known of a table."""
        rows = [row for row in self.rows() if row["table_uuid"] == uuid]
        done: dict[str, int] = {}
        for row in rows:
            if row["outcome"] == DONE and row["sequence_after"] is not None:
                done[row["action"]] = row["sequence_after"]
        times = [row["ended_at"] for row in rows if row["outcome"] == DONE and row["action"] != SEEN]
        return Past(
            first_seen=min((row["started_at"] for row in rows), default=None),
            last=max(times, default=None),
            done=done,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return every record, the oldest first."""
        if self._rows is None:
            known = self._catalog.table_exists(TABLE)
            found = self._catalog.load_table(TABLE).scan().to_arrow().to_pylist() if known else []
            self._rows = sorted(found, key=lambda row: row["started_at"])
        return self._rows

    def add(self, records: Sequence[Record]) -> None:
        """Append rows, all or none; a commit that lost against another is repeated."""
        if not records:
            return
        import pyarrow

        schema = pyarrow.schema(list(_fields(pyarrow)))
        rows = [asdict(record) for record in records]
        table = pyarrow.Table.from_pylist(rows, schema=schema)
        self._table(schema).append(table, snapshot_properties=ancestry.snapshot_properties("tables.maintenance"))
        self._rows = [*self.rows(), *rows]

    def _table(self, schema: Any) -> Any:
        from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

        try:
            return self._catalog.load_table(TABLE)
        except NoSuchTableError:
            self.rows()
        self._catalog.create_namespace_if_not_exists(TABLE[0])
        # Several runs may record at once, and a table of one-row commits should not need itself.
        properties = {"commit.retry.num-retries": "20", "commit.manifest-merge.enabled": "true"}
        try:
            return self._catalog.create_table(TABLE, schema, properties=properties)
        except TableAlreadyExistsError:
            return self._catalog.load_table(TABLE)


def _fields(pyarrow: Any) -> Iterable[Any]:
    for name, annotation in Record.__annotations__.items():
        kind = _KINDS[annotation]
        made = pyarrow.timestamp("us", tz="UTC") if kind == "timestamp" else getattr(pyarrow, kind)()
        yield pyarrow.field(name, made)
