"""Measures a table with pyiceberg, from its metadata, manifest lists and manifests alone: no data file is opened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lakehold.tables.maintenance_plan import small_limit
from lakehold.tables.policy import Policy
from lakehold.tables.state import Expired, PartitionTally, Ref, Snapshot, TableState, overlap

EXPIRED = "lakehold.maintenance.expired"
"""Table property that names the metadata file from before the last expiry, until its files are deleted."""

READERS = 16
"""Manifests fetched at a time; each is a request to the object store."""


def measure(table: Any, policy: Policy) -> TableState:
    """Return the state of a pyiceberg ``Table``. The location is not listed: ``orphans`` is ``None``."""
    metadata, current = table.metadata, table.metadata.current_snapshot()
    manifests = current.manifests(table.io) if current else []
    alive = [manifest for manifest in manifests if manifest.has_added_files() or manifest.has_existing_files()]
    order = sort_columns(table)
    leading = _field_id(table, policy.compaction.order or order)
    files = _Files(leading, _type_of(table, leading))
    for entries in fetch(table.io, alive):
        for entry in entries:
            files.add(entry)
    schema, name = table.name()[-2:]
    return TableState(
        schema=schema,
        table=name,
        uuid=str(metadata.table_uuid),
        location=metadata.location,
        metadata_location=table.metadata_location,
        snapshot_id=metadata.current_snapshot_id,
        sequence=metadata.last_sequence_number,
        rows=max(0, files.rows - files.delete_rows),
        partitions=tuple(tally.counted(small_limit(policy)) for tally in files.partitions.values()),
        delete_files=files.delete_files,
        delete_bytes=files.delete_bytes,
        delete_rows=files.delete_rows,
        equality_deletes=files.equality_deletes,
        manifests=len(manifests),
        manifest_bytes=sum(manifest.manifest_length for manifest in alive),
        dead_manifests=len(manifests) - len(alive),
        manifest_kinds=max(1, len({(manifest.partition_spec_id, manifest.content) for manifest in alive})),
        snapshots=tuple(_snapshots(metadata)),
        refs=tuple(_refs(metadata)),
        order=order,
        overlap=overlap(tally.ranges for tally in files.partitions.values()) if leading is not None else None,
        rows_unanalyzed=_rows_unanalyzed(metadata),
        expired=expired_of(metadata),
    )


class _Files:
    """Sums over the live files."""

    def __init__(self, leading: int | None, kind: Any) -> None:
        self.partitions: dict[str, PartitionTally] = {}
        self.rows = self.delete_files = self.delete_bytes = self.delete_rows = self.equality_deletes = 0
        self._leading, self._kind = leading, kind

    def add(self, entry: Any) -> None:
        file = entry.data_file
        key = f"{file.spec_id}:{file.partition!r}"
        tally = self.partitions.setdefault(key, PartitionTally(key))
        if file.content.value == 0:
            self.rows += file.record_count
            tally.sizes.append(file.file_size_in_bytes)
            if self._leading is not None:
                tally.ranges.extend(self._range(file))
            return
        tally.delete_files += 1
        self.delete_files += 1
        self.delete_bytes += file.file_size_in_bytes
        self.delete_rows += file.record_count
        self.equality_deletes += file.content.value == 2

    def _range(self, file: Any) -> Iterator[tuple[Any, Any]]:
        from pyiceberg.conversions import from_bytes

        lower = (file.lower_bounds or {}).get(self._leading)
        upper = (file.upper_bounds or {}).get(self._leading)
        if lower is not None and upper is not None:
            yield from_bytes(self._kind, lower), from_bytes(self._kind, upper)


def fetch(io: Any, manifests: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the live entries of each manifest."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(lambda manifest: manifest.fetch_manifest_entry(io), manifests)


def sort_columns(table: Any) -> tuple[str, ...]:
    """Columns the table's sort order names."""
    schema = table.schema()
    return tuple(schema.find_column_name(field.source_id) for field in table.sort_order().fields)


def _field_id(table: Any, columns: tuple[str, ...]) -> int | None:
    if not columns:
        return None
    field = table.schema().find_field(columns[0], case_sensitive=False)
    return field.field_id if field.field_type.is_primitive else None


def _type_of(table: Any, field_id: int | None) -> Any:
    return None if field_id is None else table.schema().find_type(field_id)


def _snapshots(metadata: Any) -> Iterator[Snapshot]:
    by_id = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    replaced: dict[int, int] = {}
    on_branch: set[int] = set()
    for ref in metadata.refs.values():
        if ref.snapshot_ref_type.value != "branch":
            continue
        child = None
        snapshot = by_id.get(ref.snapshot_id)
        while snapshot is not None:
            if child is not None:
                at = child.timestamp_ms
                replaced[snapshot.snapshot_id] = max(at, replaced.get(snapshot.snapshot_id, 0))
            if snapshot.snapshot_id in on_branch:
                break
            on_branch.add(snapshot.snapshot_id)
            child, snapshot = snapshot, by_id.get(snapshot.parent_snapshot_id)
    for snapshot in metadata.snapshots:
        yield Snapshot(
            id=snapshot.snapshot_id,
            at_ms=snapshot.timestamp_ms,
            replaced_ms=replaced.get(snapshot.snapshot_id),
            on_branch=snapshot.snapshot_id in on_branch,
        )


def _refs(metadata: Any) -> Iterator[Ref]:
    for name, ref in metadata.refs.items():
        kind = ref.snapshot_ref_type.value
        yield Ref(name=name, kind=kind, snapshot_id=ref.snapshot_id, max_age_ms=ref.max_ref_age_ms)


def _rows_unanalyzed(metadata: Any) -> int | None:
    """Rows changed in the snapshots since the newest one with statistics; ``None`` when none has them."""
    analyzed = {file.snapshot_id for file in metadata.statistics}
    by_id = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    changed = 0
    snapshot = by_id.get(metadata.current_snapshot_id)
    while snapshot is not None and snapshot.snapshot_id not in analyzed:
        summary = snapshot.summary
        # A rewrite moves rows, it does not change them.
        if summary is not None and summary.operation.value != "replace":
            changed += int(summary.get("added-records") or 0) + int(summary.get("deleted-records") or 0)
        snapshot = by_id.get(snapshot.parent_snapshot_id)
    return None if snapshot is None else changed


def expired_of(metadata: Any) -> Expired | None:
    """Return which metadata file came before the last expiry, while its files are still there."""
    written = metadata.properties.get(EXPIRED)
    if not written:
        return None
    known = json.loads(written)
    return Expired(metadata=known["metadata"], at_ms=known["at_ms"])
