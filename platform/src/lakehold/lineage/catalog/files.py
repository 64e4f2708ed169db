"""Metadata files in the object store, read with a key that can read nothing else."""

from __future__ import annotations

import contextlib
import gzip
import io
import threading
import zlib
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson

from lakehold.lineage.catalog.source import Store

T = TypeVar("T")

MOST_BYTES = 64 * 1024 * 1024
"""A metadata file that is larger, unpacked, is an accident that must not take the service's memory with it."""
_LARGE_BYTES = 4 * 1024 * 1024
"""What is larger is read by one thread at a time: as Python's objects it is ten times as large."""
_SCHEMES = ("s3", "s3a", "s3n")
_SERVER_ERROR = 500


class UnreadableError(Exception):
    """A metadata file cannot be read; the message says why."""


class AwayError(UnreadableError):
    """The object store does not answer, so no other file can be read either."""


class Files:
    """Reads metadata files; may be used by several threads."""

    def __init__(self, store: Store) -> None:
        # Half a second and 30 MB, and only a service that reads a catalog needs it.
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            aws_access_key_id=store.access, aws_secret_access_key=store.secret, region_name=store.region
        )
        config = Config(
            s3={"addressing_style": "path"},
            retries={"max_attempts": 2},
            connect_timeout=2,
            read_timeout=20,
            # The machine's proxy variables are not for a store on loopback.
            proxies={},
        )
        self._client: Any = session.client("s3", endpoint_url=store.endpoint, config=config)
        self._large = threading.RLock()

    def read(self, location: str, use: Callable[[dict[str, Any]], T]) -> T:
        """Return what ``use`` makes of a metadata file's JSON; :class:`UnreadableError` when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        parts = urlsplit(location)
        if parts.scheme not in _SCHEMES:
            raise UnreadableError(f"{location} is in no S3 store")
        packed = ".gz" in parts.path.rpartition("/")[2]
        with contextlib.ExitStack() as alone:
            try:
                answer = self._client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
                self._bound(location, answer["ContentLength"], alone)
                data = answer["Body"].read()
            except ClientError as problem:
                status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                kind = AwayError if status >= _SERVER_ERROR else UnreadableError
                raise kind(f"{location}: {problem}") from None
            except (BotoCoreError, OSError) as problem:
                raise AwayError(f"{location}: {problem}") from None
            if packed:
                data = unpacked(location, data)
                self._bound(location, len(data), alone)
            return use(_object(location, data))

    def _bound(self, location: str, size: int, alone: contextlib.ExitStack) -> None:
        if size > MOST_BYTES:
            raise UnreadableError(f"{location} has {size:,} bytes or more; the most is {MOST_BYTES:,}")
        if size > _LARGE_BYTES:
            alone.enter_context(self._large)


def unpacked(location: str, data: bytes) -> bytes:
    """Return what is packed in a gzip file, at most one byte more than there may be."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise UnreadableError(f"{location}: {problem}") from None


def _object(location: str, data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        raise UnreadableError(f"{location}: {problem}") from None
    if not isinstance(found, dict):
        raise UnreadableError(f"{location} holds no JSON object")
    return found
