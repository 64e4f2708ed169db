"""Which files of an interval should have landed, and which have not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import boto3
from botocore.config import Config

from lakehold.config.platform import S3Address

_SHOWN = 10


def expected_keys(pattern: str, start: str, end: str) -> list[str]:
    """Return one key a day from ``start`` until the day before ``end``; ``{day}`` in the pattern stands for the day."""
    if "{day}" not in pattern:
        return [pattern]
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return [pattern.format(day=first + timedelta(days=number)) for number in range((last - first).days)]


def summary(missing: Sequence[str]) -> str:
    """Name the missing files, the first ten of them in full."""
    shown = ", ".join(missing[:_SHOWN])
    return shown if len(missing) <= _SHOWN else f"{shown} and {len(missing) - _SHOWN} more"


def missing_keys(address: S3Address, bucket: str, keys: Sequence[str]) -> list[str]:
    """Return the keys that are not in the bucket; lists each folder once."""
    client = boto3.client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region,
        aws_access_key_id=address.access_key("airflow"),
        aws_secret_access_key=address.keys["airflow"],
        config=Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    found: set[str] = set()
    for folder in sorted({key.rpartition("/")[0] for key in keys}):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/" if folder else "")
        found.update(entry["Key"] for page in pages for entry in page.get("Contents", []))
    return [key for key in keys if key not in found]
