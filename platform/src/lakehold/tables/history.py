"""The history of a table: its snapshots, who made them, and what was published, taken back or tagged when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehold.config.platform import Platform
from lakehold.errors import DataError
from lakehold.tables import ledger, metadata, pointers
from lakehold.tables.faster import wrote
from lakehold.tables.files import Files, Metadata
from lakehold.tables.ledger import Connection, Entry
from lakehold.tables.metadata import State
from lakehold.tables.pointers import Name, Pointer


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a table; ``snapshot`` is what readers saw after it (``None`` with ``kind`` gone)."""

    at: datetime
    kind: str
    by: str
    snapshot: int | None
    rows: int | None
    tags: tuple[str, ...] = ()
    current: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it with the time as ISO 8601."""
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "kind": self.kind,
            "by": self.by,
            "snapshot": None if self.snapshot is None else str(self.snapshot),
            "rows": self.rows,
            "tags": list(self.tags),
            "current": self.current,
        }


def history(platform: Platform, table: str) -> list[Event]:
    """Return the events of ``schema.table``, newest first."""
    catalog, files = platform.catalog["name"], Files(platform.catalog)
    schema, _, name = table.partition(".")
    with ledger.connect(platform) as connection:
        entries = ledger.of_table(connection, catalog, schema, name)
        pointer = _pointer(platform, connection, (schema, name))
    if pointer is None and not entries:
        raise DataError(f"there is no table {table}, and never was.", remedy='lakehold sql "show tables from gold"')
    found = files.read(pointer.location) if pointer and pointer.kind == "TABLE" else {}
    return sorted([*_published(entries, found), *_snapshots(entries, found)], key=lambda event: event.at, reverse=True)


def _pointer(platform: Platform, connection: Connection, table: Name) -> Pointer | None:
    if platform.catalog["type"] == "rest":
        from lakehold.tables.rest_client import RestClient

        client = RestClient(platform.catalog)
        found = client.load(*table)
        return None if found is None else Pointer(location=found.location)
    return pointers.read(connection, platform.catalog["name"], [table[0]]).get(table)


def _published(entries: list[Entry], found: Metadata) -> Iterator[Event]:
    known = metadata.snapshots(found)
    for entry in entries:
        change, state = entry.changes[0], entry.changes[0].new_state
        snapshot = state.snapshot if state else None
        kind = entry.kind if change.changed else "tag"
        kind = f"{kind}, gone" if change.new is None else f"{kind}, new" if change.old is None else kind
        yield Event(
            at=entry.at or datetime.now(UTC),
            kind=kind,
            by=entry.run,
            snapshot=snapshot,
            rows=_rows(known.get(snapshot or -1, {})),
        )


def _snapshots(entries: list[Entry], found: Metadata) -> Iterator[Event]:
    current = metadata.current_snapshot(found)
    tags: dict[int, list[str]] = {}
    for tag, reference in (found.get("refs") or {}).items():
        if reference["type"] == "tag" and not tag.startswith(metadata.BEFORE):
            tags.setdefault(reference["snapshot-id"], []).append(tag)
    for id_, snapshot in metadata.snapshots(found).items():
        yield Event(
            at=_time(snapshot["timestamp-ms"]),
            kind=f"write, {snapshot.get('summary', {}).get('operation', 'unknown')}",
            by=wrote(snapshot) or _run_of(entries, id_) or "",
            snapshot=id_,
            rows=_rows(snapshot),
            tags=tuple(sorted(tags.get(id_, []))),
            current=id_ == current,
        )


def _run_of(entries: list[Entry], snapshot: int) -> str:
    for entry in entries:
        change = entry.changes[0]
        if change.changed and change.new_state and change.new_state.snapshot == snapshot:
            return entry.run
    return ""


def _rows(snapshot: dict[str, Any]) -> int | None:
    total = snapshot.get("summary", {}).get("total-records")
    return None if total is None else int(total)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def state_at(connection: Connection, catalog: str, table: Name, found: Metadata, to: str) -> State:
    """Return the state of a table at a snapshot's id, at a time, or as a run published it."""
    if to.isdecimal() and int(to) in metadata.snapshots(found):
        return _state_of_snapshot(found, int(to))
    moment = _moment(to)
    if moment is not None:
        log = [entry for entry in found.get("snapshot-log", []) if _time(entry["timestamp-ms"]) <= moment]
        if not log:
            raise DataError(f"{'.'.join(table)} had no rows at {moment:%Y-%m-%d %H:%M:%S} UTC.", remedy=_look(table))
        return _state_of_snapshot(found, int(log[-1]["snapshot-id"]))
    for entry in ledger.of_table(connection, catalog, *table):
        state = entry.changes[0].new_state
        if entry.run == to and entry.kind == "publish" and state is not None:
            return state
    raise DataError(
        f'"{to}" is no snapshot of {".".join(table)}, no time, and no run that published it.', remedy=_look(table)
    )


def _look(table: Name) -> str:
    return f"lakehold tables history {'.'.join(table)}"


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _state_of_snapshot(found: Metadata, snapshot: int) -> State:
    now = metadata.state_of(found)
    known = metadata.snapshots(found).get(snapshot)
    schema = now.schema if known is None else known.get("schema-id", now.schema)
    return State(snapshot=snapshot, schema=schema, spec=now.spec, order=now.order, properties=now.properties)
