"""Buckets under other names, as where names are the whole world's: files are delivered, waited for and refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.objectstore_users import client
from lakehold.config.platform import S3Address
from lakehold.config.settings import Settings
from lakehold.pipelines.delivery import Delivery, Sender
from lakehold.pipelines.landing_keys import missing_keys
from lakehold.release.store import Store
from lakehold.tables.catalog import s3_endpoint

pytestmark = pytest.mark.component

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = {"landing_bucket": "acme-in", "quarantine_bucket": "acme-refused", "logs_bucket": "acme-logs"}
FILE = Delivery(key="flights/2013-01-01.csv", body=b"a\n1\n", rows=1)


@pytest.fixture(scope="module")
def store(new_lab: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    settings = {"s3": NAMES, "catalog": {"warehouse": "s3://acme-lake/tables/"}}
    with new_lab(Settings.model_validate(settings)) as lab:
        lab.start("objectstore")
        yield lab


@pytest.fixture(scope="module")
def address(store: Any) -> S3Address:
    told = platform_of(store.site).s3
    return dataclasses.replace(told, keys={**told.keys, "delivery": store.site.secrets["s3.delivery"]})


def test_no_bucket_has_another_name(store: Any) -> None:
    root = client(s3_endpoint(store.site), "root", store.site.secrets["s3.root"])
    assert {one["Name"] for one in root.list_buckets()["Buckets"]} == {"acme-in", "acme-refused", "acme-lake"}


def test_what_is_delivered_is_waited_for_and_refused_under_their_names(address: S3Address) -> None:
    assert missing_keys(address, address.landing, [FILE.key]) == [FILE.key]
    Sender(address).send(FILE)
    assert missing_keys(address, address.landing, [FILE.key]) == []
    assert refused(address).startswith("s3://acme-refused/flights/2013-01-01/")


def refused(address: S3Address) -> str:
    """Where a job put the refused file."""
    done = subprocess.run(
        [str(Store.default().python("engine")), str(Path(__file__).with_name("refuse_part.py")), FILE.key],
        input=json.dumps(dataclasses.asdict(address)),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{REPOSITORY / 'platform' / 'src'}:{REPOSITORY / 'jobs'}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
