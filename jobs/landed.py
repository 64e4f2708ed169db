"""Reads landed CSV files strictly: a file either has every row as promised, or it is refused with its reasons.

Refused files are copied to the quarantine bucket beside a JSON of what is wrong with them. The key there ends in the
file's own checksum, so looking at the same bad file again changes nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import ClientError
from pyarrow import csv
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    from lakehold.config.platform import S3Address

NULLS = ["NA", ""]
MAX_REASONS = 20
EXIT_BAD_INPUT = 8
"""The exit code of refused input, the same as `lakehold` itself uses."""


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """One object of the landing bucket; ``promised_rows`` is how many rows its sender says it has, if it does."""

    bucket: str
    key: str
    body: bytes
    etag: str
    promised_rows: int | None = None

    @property
    def sha256(self) -> str:
        """Checksum of the bytes as they landed."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that must not be loaded, and why."""

    key: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Give the file and its first reason."""
        more = f" (and {len(self.reasons) - 1} more)" if len(self.reasons) > 1 else ""
        return f"{self.key}: {self.reasons[0]}{more}"


class Landing:
    """The landing and quarantine buckets, through one S3 user."""

    def __init__(self, address: S3Address, user: str = "spark") -> None:
        self.bucket = address.landing
        self._quarantine = address.quarantine
        self._s3 = boto3.client(
            "s3",
            endpoint_url=address.endpoint,
            region_name=address.region,
            aws_access_key_id=address.access_key(user),
            aws_secret_access_key=address.keys[user],
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=8),
        )

    def read(self, keys: Iterable[str]) -> Iterator[LandedFile | Refused]:
        """Read every key, in order; a key without an object is refused as missing."""
        with ThreadPoolExecutor(8) as pool:
            yield from pool.map(self._read, keys)

    def _read(self, key: str) -> LandedFile | Refused:
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchKey", "404"}:
                raise
            return Refused(key=key, reasons=(f"missing: there is no s3://{self.bucket}/{key}",))
        promised = answer.get("Metadata", {}).get("rows")
        return LandedFile(
            bucket=self.bucket,
            key=key,
            body=answer["Body"].read(),
            etag=answer["ETag"].strip('"'),
            promised_rows=int(promised) if promised and promised.isdecimal() else None,
        )

    def quarantine(self, file: LandedFile, refused: Refused) -> str:
        """Copy ``file`` and its reasons to the quarantine bucket; returns the copy's address."""
        stem = f"{file.key.removesuffix('.csv')}/{file.sha256[:16]}"
        report = {
            "source": file.address,
            "bytes": len(file.body),
            "sha256": file.sha256,
            "etag": file.etag,
            "reasons": list(refused.reasons),
        }
        self._s3.put_object(Bucket=self._quarantine, Key=f"{stem}.csv", Body=file.body)
        text = json.dumps(report, indent=2) + "\n"
        self._s3.put_object(Bucket=self._quarantine, Key=f"{stem}.json", Body=text.encode())
        return f"s3://{self._quarantine}/{stem}.csv"


def parse(file: LandedFile, schema: StructType) -> pa.Table | Refused:
    """Parse ``file`` as ``schema``, whose column names must be the header and whose non-null columns must be full."""
    header = ",".join(schema.fieldNames())
    reasons = list(_shape(file.body, header))
    if not reasons:
        table, reasons = _convert(file.body, schema)
        if not reasons:
            reasons = list(_promises(file, table, schema))
        if not reasons:
            return table
    return Refused(key=file.key, reasons=tuple(reasons[:MAX_REASONS]))


def _shape(body: bytes, header: str) -> Iterator[str]:
    if not body:
        yield "empty: the file has no bytes"
        return
    first, _, rest = body.partition(b"\n")
    found = first.rstrip(b"\r").decode("utf-8", "replace")
    if found != header:
        yield f"header: expected {header!r}, found {found[:300]!r}"
    elif not rest:
        yield "empty: there is a header but no row"
    elif not body.endswith(b"\n"):
        last = body[body.rfind(b"\n") + 1 :].decode("utf-8", "replace")
        yield f"truncated: the last line has no end: {last[:200]!r}"


def _convert(body: bytes, schema: StructType) -> tuple[pa.Table | None, list[str]]:
    reasons: list[str] = []

    def bad_row(row: csv.InvalidRow) -> str:
        reasons.append(f"line {row.number}: {row.actual_columns} columns instead of {row.expected_columns}")
        return "skip"

    try:
        table = csv.read_csv(
            io.BytesIO(body),
            # One thread, because only then does Arrow know the number of a bad line.
            csv.ReadOptions(use_threads=False, block_size=max(len(body), 1)),
            csv.ParseOptions(invalid_row_handler=bad_row),
            csv.ConvertOptions(
                column_types=to_arrow_schema(schema), null_values=NULLS, strings_can_be_null=True, check_utf8=True
            ),
        )
    except pa.ArrowInvalid as error:
        return None, [*reasons, f"unparsable: {error}"]
    return table, reasons


def _promises(file: LandedFile, table: pa.Table, schema: StructType) -> Iterator[str]:
    if file.promised_rows is not None and file.promised_rows != table.num_rows:
        yield f"truncated: the sender announced {file.promised_rows} rows, the file has {table.num_rows}"
    for field in schema.fields:
        missing = table.column(field.name).null_count
        if missing and not field.nullable:
            yield f"column {field.name}: {missing} rows without a value"


def stamped(table: pa.Table, file: LandedFile, extra: dict[str, Any]) -> pa.Table:
    """Add constant columns: ``extra``, then where the rows come from."""
    origin = {**extra, "_source_file": file.address, "_file_sha256": file.sha256}
    for name, value in origin.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
    return table
