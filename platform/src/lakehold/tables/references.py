"""Which files the catalog's tables refer to, what lies below a table's location, and what of it nothing refers to.

A file counts as referred to when any snapshot, branch, tag or statistics of any table of the catalog leads to it,
shadows included, or a metadata file of which the readers may still be at work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehold.errors import ConflictError
from lakehold.tables.measure import READERS, expired_of
from lakehold.tables.state import Orphans

_BATCH = 1000
"""Objects one request deletes at most."""
_PASSES = 5
"""Times a catalog is read from the beginning while others rename its tables."""

Name = tuple[str, ...]
"""Namespace, of one or more levels, and table."""


def place(uri: str) -> str:
    """Return ``bucket/key`` of an ``s3://`` or ``s3a://`` address: engines name one file in several ways."""
    return uri.partition("://")[2] or uri


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object of the store."""

    place: str
    bytes: int
    changed: datetime


class Store:
    """The object store, as far as maintenance needs it."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._errors = (BotoCoreError, ClientError)
        self._client = boto3.client(
            "s3",
            endpoint_url=properties.get("s3.endpoint"),
            region_name=properties.get("s3.region"),
            aws_access_key_id=properties.get("s3.access-key-id"),
            aws_secret_access_key=properties.get("s3.secret-access-key"),
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 5}),
        )

    def below(self, location: str) -> Iterator[Object]:
        """Yield every object below a folder."""
        bucket, _, prefix = place(location.rstrip("/") + "/").partition("/")
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            for page in pages:
                for found in page.get("Contents", ()):
                    yield Object(place=f"{bucket}/{found['Key']}", bytes=found["Size"], changed=found["LastModified"])
        except self._errors as error:
            raise OSError(f"{location} could not be listed: {error}") from error

    def delete(self, places: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no mistake."""
        by_bucket: dict[str, list[str]] = {}
        for one in places:
            bucket, _, key = one.partition("/")
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), _BATCH):
                batch: Any = [{"Key": key} for key in keys[start : start + _BATCH]]
                try:
                    answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
                except self._errors as error:
                    raise OSError(f"files of {bucket} could not be deleted: {error}") from error
                if failed := answer.get("Errors"):
                    raise OSError(f"{failed[0]['Key']} could not be deleted: {failed[0].get('Message')}")


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Files a metadata file leads to, by kind; all as ``bucket/key``."""

    data: frozenset[str]
    manifests: frozenset[str]
    lists: frozenset[str]
    others: frozenset[str]

    def all(self) -> frozenset[str]:
        """Return every one of them."""
        return self.data | self.manifests | self.lists | self.others


class References:
    """Follows metadata to files; remembers manifests, because tables, clones and snapshots share most of them."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, ...]] = {}

    def reach(self, io: Any, metadata: Any, metadata_location: str, *, gone_is_fine: bool = False) -> Reach:
        """Return what a table's metadata leads to; a missing file is an error unless ``gone_is_fine``."""
        missing = (FileNotFoundError,) if gone_is_fine else ()
        lists: set[str] = set()
        found: dict[str, Any] = {}
        with ThreadPoolExecutor(READERS) as pool:
            for snapshot, manifests in pool.map(lambda one: (one, _manifests(one, io, missing)), metadata.snapshots):
                lists.add(place(snapshot.manifest_list))
                found |= {manifest.manifest_path: manifest for manifest in manifests}
            fresh = [manifest for path, manifest in found.items() if path not in self._files]
            for manifest, files in pool.map(lambda one: (one, _files(one, io, missing)), fresh):
                self._files[manifest.manifest_path] = files
        others = [metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)]
        others += [file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics)]
        return Reach(
            data=frozenset(file for path in found for file in self._files[path]),
            manifests=frozenset(map(place, found)),
            lists=frozenset(lists),
            others=frozenset(map(place, others)),
        )

    def of_tables(self, tables: Iterable[Any], *, but: str = "") -> frozenset[str]:
        """Return everything these tables lead to, and what readers of their expired snapshots may still read.

        ``but`` is the metadata file of an expiry whose readers are done.
        """
        found: set[str] = set()
        for table in {table.metadata_location: table for table in tables}.values():
            found |= self.reach(table.io, table.metadata, table.metadata_location).all()
            if (expired := expired_of(table.metadata)) and expired.metadata != but:
                found |= self.before_expiry(table.io, expired.metadata).all()
        return frozenset(found)

    def before_expiry(self, io: Any, metadata_location: str) -> Reach:
        """Return what the metadata file from before an expiry leads to; part of it may be deleted already."""
        from pyiceberg.serializers import FromInputFile

        try:
            metadata = FromInputFile.table_metadata(io.new_input(metadata_location))
        except FileNotFoundError:
            empty: frozenset[str] = frozenset()
            return Reach(data=empty, manifests=empty, lists=empty, others=empty)
        return self.reach(io, metadata, metadata_location, gone_is_fine=True)


def _manifests(snapshot: Any, io: Any, missing: tuple[type[Exception], ...]) -> list[Any]:
    try:
        return list(snapshot.manifests(io))
    except missing:
        return []


def _files(manifest: Any, io: Any, missing: tuple[type[Exception], ...]) -> tuple[str, ...]:
    try:
        return tuple(place(entry.data_file.file_path) for entry in manifest.fetch_manifest_entry(io))
    except missing:
        return ()


def all_tables(names: Callable[[], Iterable[Name]], load: Callable[[Name], Any | None]) -> list[Any]:
    """Load every table of a catalog while others work in it; ``load`` returns ``None`` for one that is gone.

    What is gone may have been renamed, even to a name that was read before it. So nothing counts until every table of
    a listing was there and the next listing has the same names; :class:`ConflictError` when they never agree.
    """
    for _ in range(_PASSES):
        found: dict[Name, Any] = {}
        while (listed := set(names())) != found.keys():
            found |= {name: load(name) for name in sorted(listed - found.keys())}
            if any(found[name] is None or name not in listed for name in found):
                break
        else:
            return list(found.values())
    raise ConflictError(
        "tables of the catalog are being renamed or dropped all the while.",
        why="before files are deleted it must be known what every table leads to",
        remedy="lakehold tables maintain, when less is going on",
    )


def neighbours(table: Any, tables: Iterable[Any]) -> list[Any]:
    """Return the tables of the catalog that may have files below the table's location: clones, and nested folders."""
    own = place(table.location().rstrip("/") + "/")
    return [other for other in tables if any(_nested(own, folder) for folder in _folders(other))]


def _folders(table: Any) -> list[str]:
    properties = table.metadata.properties
    named = [properties.get(key) for key in ("write.data.path", "write.metadata.path", "write.object-storage.path")]
    known = [table.location(), table.metadata_location.rpartition("/metadata/")[0], *filter(None, named)]
    return [place(folder.rstrip("/") + "/") for folder in known if folder]


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def unreferenced(listed: Iterable[Object], referenced: Collection[str], before: datetime) -> list[Object]:
    """Return the objects nothing refers to that were last changed before a time."""
    return [found for found in listed if found.place not in referenced and found.changed < before]


def counted(listed: Sequence[Object], unused: Sequence[Object]) -> Orphans:
    """Sum up a listing."""
    return Orphans(
        files=len(unused),
        bytes=sum(found.bytes for found in unused),
        listed_files=len(listed),
        listed_bytes=sum(found.bytes for found in listed),
    )
