"""A clone that has only its data files in common with its original, for catalogs that cannot be told to keep files.

A REST catalog deletes a table's files when Trino drops it or pyiceberg purges it. With ``gc.enabled=false`` Iceberg
spares the data, but not the metadata: the list and the manifests of each snapshot, statistics, and the metadata files
it followed. So a clone gets its own copies of the manifests of the current snapshot, and knows no other snapshot.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Mapping
from typing import Any

from pyiceberg.io import FileIO, load_file_io
from pyiceberg.manifest import ManifestFile, read_manifest_list, write_manifest_list

from lakehold.errors import DataError, LakeholdError
from lakehold.tables.difference import Json
from lakehold.tables.files import Files, each
from lakehold.tables.metadata import GUARDS, MAIN, current_snapshot, snapshots
from lakehold.tables.rest_client import Found

_WRITABLE = (1, 2)
"""Versions of the table format whose lists of manifests pyiceberg writes."""


class Privately:
    """Writes clones; ``properties`` are pyiceberg's."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = dict(properties)
        self._files = Files(properties)

    def cloned(self, name: str, original: Found) -> str:
        """Write a clone of the table ``name``; returns its metadata file, beside the original's."""
        metadata = original.metadata
        if metadata["format-version"] not in _WRITABLE:
            raise DataError(
                f"{name} has version {metadata['format-version']} of the table format; "
                "on a REST catalog only versions 1 and 2 can be cloned.",
                remedy="keep it in a schema that is not audited",
            )
        current = current_snapshot(metadata)
        snapshot = snapshots(metadata).get(current) if current is not None else None
        own: list[Json] = [] if snapshot is None else [self._snapshot(name, snapshot, original)]
        clone = {
            **metadata,
            "snapshots": own,
            "refs": {MAIN: {"snapshot-id": current, "type": "branch"}} if own else {},
            "snapshot-log": [],
            "metadata-log": [],
            "statistics": [],
            "partition-statistics": [],
            "properties": {**metadata["properties"], **GUARDS},
        }
        return self._files.write(clone, original.location)

    def _snapshot(self, name: str, snapshot: Json, original: Found) -> Json:
        """The snapshot with manifests of its own."""
        if "manifest-list" not in snapshot:
            raise DataError(
                f"{name} was last written by a very old Iceberg, which kept no list of manifests.",
                remedy=f"write to it once: ALTER TABLE {name} EXECUTE optimize",
            )
        io = load_file_io(self._properties, original.location)
        folder = posixpath.dirname(original.location)
        try:
            listed = list(read_manifest_list(io.new_input(snapshot["manifest-list"])))
            copies = each(lambda manifest: _copied(io, manifest, folder), listed)
        except OSError as error:
            raise LakeholdError(
                f"The manifests of {name} could not be copied.", why=str(error), remedy="lakehold doctor"
            ) from error
        location = f"{folder}/snap-{snapshot['snapshot-id']}-clone-{uuid.uuid4()}.avro"
        with write_manifest_list(
            original.metadata["format-version"],
            io.new_output(location),
            snapshot["snapshot-id"],
            snapshot.get("parent-snapshot-id"),
            snapshot.get("sequence-number"),
            "deflate",
        ) as writer:
            writer.add_manifests(copies)
        return {**snapshot, "manifest-list": location}


def _copied(io: FileIO, manifest: ManifestFile, folder: str) -> ManifestFile:
    location = f"{folder}/clone-{uuid.uuid4()}.avro"
    # The name is new. To be asked whether it is taken, an object store lists the folder, once for every file in it.
    with (
        io.new_input(manifest.manifest_path).open() as source,
        io.new_output(location).create(overwrite=True) as target,
    ):
        target.write(source.read())
    fields: list[Any] = [manifest[position] for position in range(1, len(manifest))]
    return ManifestFile(location, *fields)
