"""Metadata files of tables and views in the object store, read and written many at a time.

They are JSON, and are kept as they are found: what an engine wrote that we do not know is still there afterwards.
pyarrow's own S3 client is used, because it is there in 0.2 s; importing pyiceberg takes four times as long, and a
clone or a publication is part of every run.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lakehold.errors import LakeholdError

THREADS = 16
"""Requests that are under way at the same time."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Metadata = dict[str, Any]
"""A metadata file's JSON."""


class Files:
    """The object store of the catalog; ``properties`` are pyiceberg's."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        from pyarrow import fs

        self._store = fs.S3FileSystem(
            access_key=properties.get("s3.access-key-id"),
            secret_key=properties.get("s3.secret-access-key"),
            session_token=properties.get("s3.session-token"),
            endpoint_override=properties.get("s3.endpoint"),
            region=properties.get("s3.region"),
            force_virtual_addressing=properties.get("s3.path-style-access", "true") == "false",
        )

    def find(self, location: str) -> Metadata | None:
        """Read one metadata file; ``None`` when it is not there, :class:`LakeholdError` when it cannot be read."""
        try:
            return self.read(location)
        except LakeholdError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def read(self, location: str) -> Metadata:
        """Read one metadata file; :class:`LakeholdError` when it is not there or cannot be read."""
        try:
            with self._store.open_input_file(_path(location)) as file:
                data = file.readall()
            if ".gz" in posixpath.basename(location):
                data = gzip.decompress(data)
            found: Metadata = json.loads(data)
        except (OSError, ValueError) as error:
            raise LakeholdError(
                f"The metadata file {location} could not be read.", why=str(error), remedy="lakehold doctor"
            ) from error
        return found

    def write(self, metadata: Metadata, after: str) -> str:
        """Write ``metadata`` as the next version after the file ``after``, beside it; return where."""
        location = next_location(after)
        text = json.dumps(metadata, separators=(",", ":")).encode()
        try:
            with self._store.open_output_stream(_path(location)) as file:
                file.write(text)
        except OSError as error:
            raise LakeholdError(
                f"The metadata file {location} could not be written.", why=str(error), remedy="lakehold doctor"
            ) from error
        return location


def next_location(location: str) -> str:
    """Return a new name for the version after a metadata file: ``…/00003-<uuid>.metadata.json`` → ``…/00004-…``."""
    folder, name = posixpath.split(location)
    version = re.match(r"v?(\d+)", name)
    number = int(version[1]) + 1 if version else 0
    return f"{folder}/{number:05}-{uuid.uuid4()}.metadata.json"


def _path(location: str) -> str:
    scheme, _, path = location.partition("://")
    if scheme not in ("s3", "s3a", "s3n"):
        raise LakeholdError(
            f"{location} is in no S3 store.", why="tables are audited in the catalog's object store only"
        )
    return path


def each(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Do the work for all items, several at a time; the results come in order, the first error is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, items))
