"""Metadata files in the object store, read with a key that can read nothing else."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import urlsplit

import orjson

from lakehold.lineage.catalog.source import Store

MOST_BYTES = 256 * 1024 * 1024
"""A metadata file this large is an accident that must not take the service's memory with it."""
_SCHEMES = ("s3", "s3a", "s3n")


class UnreadableError(Exception):
    """A metadata file cannot be read; the message says why."""


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

    def read(self, location: str) -> dict[str, Any]:
        """Return a metadata file's JSON; :class:`UnreadableError` when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        parts = urlsplit(location)
        if parts.scheme not in _SCHEMES:
            raise UnreadableError(f"{location} is in no S3 store")
        try:
            answer = self._client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
            if answer["ContentLength"] > MOST_BYTES:
                raise UnreadableError(f"{location} has {answer['ContentLength']:,} bytes, more than {MOST_BYTES:,}")
            data = answer["Body"].read()
            if ".gz" in parts.path.rpartition("/")[2]:
                data = gzip.decompress(data)
            found = orjson.loads(data)
        except (BotoCoreError, ClientError, OSError, EOFError, ValueError) as problem:
            raise UnreadableError(f"{location}: {problem}") from None
        if not isinstance(found, dict):
            raise UnreadableError(f"{location} holds no JSON object")
        return found
