"""Buckets, users and policies, made any number of times: ``python -m … ENDPOINT WAREHOUSE LANDING QUARANTINE [LOGS]``.

Keys come from the environment (``ROOT_SECRET_ACCESS_KEY``, ``LAKEHOLD_S3_<USER>``) and are set again on every run.
Users are made through versitygw's admin API: its own admin program wants the secrets on a command line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from lakehold.components.objectstore import ROOT, USERS
from lakehold.components.objectstore_policy import Grant, grants, policies
from lakehold.config.settings import BUNDLED_REGION
from lakehold.errors import StartError


@dataclass(frozen=True, kw_only=True)
class Admin:
    """versitygw's admin API, asked with AWS signatures."""

    endpoint: str
    credentials: Credentials

    def call(self, verb: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """PATCH ``/<verb>?<query>``; the answer's body, or :class:`StartError` with the store's own words."""
        url = f"{self.endpoint}/{verb}" + (f"?{urlencode(query)}" if query else "")
        request = AWSRequest(method="PATCH", url=url, data=body, headers={"Content-Type": "application/xml"})
        S3SigV4Auth(self.credentials, "s3", BUNDLED_REGION).add_auth(request)
        answer = httpx.request("PATCH", url, content=body, headers=dict(request.headers), trust_env=False, timeout=10)
        if answer.is_error:
            raise StartError(
                f"The object store refused {verb}: HTTP {answer.status_code}.",
                why=answer.text.strip()[:300],
                remedy="lakehold logs objectstore",
            )
        return answer.content

    def users(self) -> set[str]:
        """Access keys of all users but root."""
        root = ElementTree.fromstring(self.call("list-users"))  # noqa: S314 - our own server's answer
        return {element.text or "" for element in root.iter("Access")}

    def ensure_user(self, access: str, secret: str, known: set[str]) -> None:
        """Make the user, or give it this secret."""
        if access in known:
            self.call("update-user", {"access": access}, _xml("MutableProps", Secret=secret, Role="user"))
        else:
            numbers = {"UserID": "0", "GroupID": "0", "ProjectID": "0"}
            self.call("create-user", body=_xml("Account", Access=access, Secret=secret, Role="user", **numbers))


def _xml(tag: str, **fields: str) -> bytes:
    root = ElementTree.Element(tag)
    for name, value in fields.items():
        ElementTree.SubElement(root, name).text = value
    return ElementTree.tostring(root)


def client(endpoint: str, access: str, secret: str) -> Any:
    """An S3 client that speaks to the store only as ``access`` (nothing is read from the environment)."""
    session = boto3.session.Session(aws_access_key_id=access, aws_secret_access_key=secret, region_name=BUNDLED_REGION)
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}, proxies={})
    return session.client("s3", endpoint_url=endpoint, config=config)


def ensure(endpoint: str, rights: Sequence[Grant], root_secret: str, secrets: Mapping[str, str]) -> None:
    """Bring users, buckets and policies to the declared state; ``secrets`` by user."""
    admin = Admin(endpoint=endpoint, credentials=Credentials(ROOT, root_secret))
    known = admin.users()
    for user in USERS:
        admin.ensure_user(user, secrets[user], known)
    s3 = client(endpoint, ROOT, root_secret)
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in dict.fromkeys(one.bucket for one in rights):
        if bucket not in existing:
            s3.create_bucket(Bucket=bucket)
    for bucket, policy in policies(rights).items():
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def main() -> None:
    """Read the address from the command line and the secrets from the environment."""
    endpoint, warehouse, *buckets = sys.argv[1:]
    secrets = {user: os.environ[f"LAKEHOLD_S3_{user.upper()}"] for user in USERS}
    ensure(endpoint, grants(warehouse, *buckets), os.environ["ROOT_SECRET_ACCESS_KEY"], secrets)


if __name__ == "__main__":
    main()
