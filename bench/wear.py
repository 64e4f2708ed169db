"""Wear a table out: `python bench/wear.py SCHEMA.TABLE COMMITS`, in the engine environment.

Every commit is a snapshot with one data file of one row, a manifest and a manifest list of its own, and every hundredth
merges the manifests of those before it, as engines do. pyiceberg's own `append` copies all metadata a dozen times a
commit; written file by file 2,000 commits take a minute instead of an hour. Readers cannot tell the difference.
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

import pyarrow
from lakehold.config import platform
from pyiceberg.catalog import load_catalog
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus, write_manifest, write_manifest_list
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate

SCHEMA = pyarrow.schema([("id", pyarrow.int64()), ("day", pyarrow.string()), ("value", pyarrow.float64())])
MERGED = 100
"""Manifests from which on a commit merges them; also the commits of one metadata file."""


class Writer:
    """Writes one snapshot after the other."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._manifests: list[Any] = []
        self._merged: list[Any] = []
        self._entries: list[Any] = []
        self._parent: int | None = None

    def snapshot(self, number: int) -> Snapshot:
        """Write the files of commit ``number`` (from 1), whose row has the id before it, and return its snapshot."""
        metadata = self._table.metadata
        identifier = metadata.new_snapshot_id()
        row = pyarrow.table({"id": [number - 1], "day": [f"day {number % 7}"], "value": [number / 2]}, schema=SCHEMA)
        (file,) = _dataframe_to_data_files(metadata, row, self._table.io)
        added = ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=identifier, sequence_number=None, data_file=file
        )
        existing, self._entries = (self._entries, []) if len(self._entries) == MERGED else ([], self._entries)
        if existing:
            self._merged.append(self._manifest(existing, identifier, number))
            self._manifests.clear()
        self._manifests.append(self._manifest([added], identifier, number))
        kept = {"sequence_number": number, "file_sequence_number": number, "data_file": file}
        self._entries.append(
            ManifestEntry.from_args(status=ManifestEntryStatus.EXISTING, snapshot_id=identifier, **kept)
        )
        made = self._listed(identifier, number)
        self._parent = identifier
        return made

    def _manifest(self, entries: list[Any], identifier: int, number: int) -> Any:
        table = self._table
        output = table.io.new_output(f"{table.location()}/metadata/{uuid.uuid4()}-m0.avro")
        with write_manifest(2, table.spec(), table.schema(), output, identifier, "gzip") as writer:
            for entry in entries:
                writer.add_entry(entry)
        manifest = writer.to_manifest_file()
        manifest.sequence_number = number
        manifest._data[5] = min((entry.sequence_number or number) for entry in entries)
        return manifest

    def _listed(self, identifier: int, number: int) -> Snapshot:
        path = f"{self._table.location()}/metadata/snap-{identifier}-0-{uuid.uuid4()}.avro"
        output = self._table.io.new_output(path)
        with write_manifest_list(2, output, identifier, self._parent, number, "gzip") as writer:
            writer.add_manifests([*self._manifests, *self._merged])
        counts = {"added-data-files": "1", "added-records": "1", "total-data-files": str(number)}
        totals = {"total-records": str(number), "total-delete-files": "0", "total-position-deletes": "0"}
        return Snapshot(
            snapshot_id=identifier,
            parent_snapshot_id=self._parent,
            sequence_number=number,
            timestamp_ms=int(time.time() * 1000),
            manifest_list=path,
            summary=Summary(Operation.APPEND, **counts, **totals),
            schema_id=self._table.metadata.current_schema_id,
        )


def wear(name: str, commits: int) -> None:
    """Make the table and its commits."""
    catalog = load_catalog(**platform.load().catalog)
    table = catalog.create_table(name, SCHEMA, properties={"commit.manifest-merge.enabled": "true"})
    writer = Writer(table)
    for start in range(1, commits + 1, MERGED):
        updates: list[Any] = []
        for number in range(start, min(start + MERGED, commits + 1)):
            made = writer.snapshot(number)
            updates.append(AddSnapshotUpdate(snapshot=made))
            updates.append(SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=made.snapshot_id))
        catalog.commit_table(catalog.load_table(name), (), tuple(updates))


if __name__ == "__main__":
    wear(sys.argv[1], int(sys.argv[2]))
