"""Who may do what in which bucket: the grants as data, and the bucket policies made of them (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_READ_OBJECT = ("s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectTagging")
_WRITE_OBJECT = (
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
_READ_BUCKET = ("s3:ListBucket", "s3:GetBucketLocation")
_WRITE_BUCKET = ("s3:ListBucketMultipartUploads",)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """``user`` may read, and write if ``write``, the objects of ``bucket`` whose key begins with ``prefix``.

    With ``only`` it is those whose key goes on as this pattern says, and they cannot be listed.
    """

    user: str
    bucket: str
    prefix: str = ""
    write: bool = False
    only: str = ""


def grants(warehouse: str, landing: str, quarantine: str, logs: str = "") -> tuple[Grant, ...]:
    """All rights of all users; ``warehouse`` is an ``s3://bucket/prefix/`` URI, the others are buckets.

    ``logs``, in a cluster only, has what tasks wrote to their log, whose pods are gone.
    """
    bucket, prefix = split_uri(warehouse)
    return (
        Grant(user="trino", bucket=bucket, prefix=prefix, write=True),
        Grant(user="spark", bucket=bucket, prefix=prefix, write=True),
        Grant(user="engine", bucket=bucket, prefix=prefix, write=True),
        # Names, columns and snapshots of tables, and not one of their rows.
        Grant(user="lineage", bucket=bucket, prefix=prefix, only="*/metadata/*.metadata.json"),
        Grant(user="delivery", bucket=landing, write=True),
        Grant(user="spark", bucket=landing),
        Grant(user="airflow", bucket=landing),
        Grant(user="spark", bucket=quarantine, write=True),
        Grant(user="engine", bucket=quarantine, write=True),
        Grant(user="airflow", bucket=quarantine, write=True),
        *((Grant(user="airflow", bucket=logs, write=True),) if logs else ()),
    )


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/some/prefix/`` → ``("bucket", "some/prefix/")``."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def policies(rights: Iterable[Grant]) -> dict[str, dict[str, Any]]:
    """Bucket → its policy document. What no statement allows is refused, to everyone but root."""
    documents: dict[str, dict[str, Any]] = {}
    for grant in rights:
        document = documents.setdefault(grant.bucket, {"Version": "2012-10-17", "Statement": []})
        document["Statement"] += _statements(grant)
    return documents


def _statements(grant: Grant) -> list[dict[str, Any]]:
    arn = f"arn:aws:s3:::{grant.bucket}"
    principal = {"AWS": [grant.user]}
    if grant.only:
        resource = f"{arn}/{grant.prefix}{grant.only}"
        return [{"Effect": "Allow", "Principal": principal, "Action": ["s3:GetObject"], "Resource": [resource]}]
    return [
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": [*_READ_OBJECT, *(_WRITE_OBJECT if grant.write else ())],
            "Resource": [f"{arn}/{grant.prefix}*"],
        },
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": [*_READ_BUCKET, *(_WRITE_BUCKET if grant.write else ())],
            "Resource": [arn],
        },
    ]
