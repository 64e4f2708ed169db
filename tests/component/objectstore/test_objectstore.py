"""The object store from its declaration: each user's rights, each refusal, shown with real requests."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from lakehold.components.objectstore import OBJECTSTORE, USERS
from lakehold.components.objectstore_users import Admin, client
from lakehold.tables.catalog import s3_endpoint

pytestmark = pytest.mark.component

BUCKETS = ("lakehouse", "landing", "quarantine")
READS = {
    ("trino", "lakehouse"),
    ("spark", "lakehouse"),
    ("engine", "lakehouse"),
    ("delivery", "landing"),
    ("spark", "landing"),
    ("airflow", "landing"),
    ("spark", "quarantine"),
    ("engine", "quarantine"),
    ("airflow", "quarantine"),
}
WRITES = READS - {("spark", "landing"), ("airflow", "landing")}


@pytest.fixture(scope="module")
def store(lab: Any) -> Any:
    lab.start("objectstore")
    for bucket in BUCKETS:
        s3(lab, "root").put_object(Bucket=bucket, Key="there/is/a.txt", Body=b"something")
    return lab


def s3(lab: Any, user: str, secret: str | None = None) -> Any:
    return client(s3_endpoint(lab.site), user, secret or lab.site.secrets[f"s3.{user}"])


def outcome(call: Any, **arguments: Any) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("user", USERS)
def test_rights_of_a_user_in_a_bucket(store: Any, user: str, bucket: str) -> None:
    own = s3(store, user)
    reads = "done" if (user, bucket) in READS else "AccessDenied"
    writes = "done" if (user, bucket) in WRITES else "AccessDenied"
    assert outcome(own.get_object, Bucket=bucket, Key="there/is/a.txt") == reads
    assert outcome(own.list_objects_v2, Bucket=bucket) == reads
    assert outcome(own.put_object, Bucket=bucket, Key=f"written/by/{user}", Body=b"x") == writes
    assert outcome(own.delete_object, Bucket=bucket, Key=f"written/by/{user}") == writes
    started = outcome(own.create_multipart_upload, Bucket=bucket, Key=f"parts/by/{user}")
    assert started == writes


@pytest.mark.parametrize("user", USERS)
def test_no_engine_administers_the_store(store: Any, user: str) -> None:
    own = s3(store, user)
    assert outcome(own.create_bucket, Bucket=f"mine-{user}") == "AccessDenied"
    assert outcome(own.delete_bucket, Bucket="lakehouse") == "AccessDenied"
    assert outcome(own.put_bucket_policy, Bucket="lakehouse", Policy='{"Statement": []}') == "AccessDenied"
    assert outcome(own.get_bucket_policy, Bucket="lakehouse") == "AccessDenied"


def test_wrong_keys_and_no_keys_are_refused(store: Any) -> None:
    assert outcome(s3(store, "spark", "wrong").list_objects_v2, Bucket="lakehouse") == "SignatureDoesNotMatch"
    assert outcome(s3(store, "nobody", "wrong").list_objects_v2, Bucket="lakehouse") == "InvalidAccessKeyId"
    for path in ("/", "/lakehouse", "/lakehouse/there/is/a.txt"):
        assert httpx.get(s3_endpoint(store.site) + path, trust_env=False).status_code == 403
    answer = httpx.put(f"{s3_endpoint(store.site)}/lakehouse/anonymous", content=b"x", trust_env=False)
    assert answer.status_code == 403


def test_root_s_secret_is_in_no_log(store: Any) -> None:
    log = store.log("objectstore").read_text()
    assert not [name for name, value in store.site.secrets.items() if value in log]


def test_a_conditional_put_has_one_winner(store: Any) -> None:
    own = s3(store, "engine")
    assert outcome(own.put_object, Bucket="lakehouse", Key="once", Body=b"1", IfNoneMatch="*") == "done"
    assert outcome(own.put_object, Bucket="lakehouse", Key="once", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"


def test_the_bootstrap_runs_again_and_a_changed_secret_takes_effect(store: Any) -> None:
    (task,) = OBJECTSTORE.after
    before = store.site
    old = s3(store, "airflow")
    assert outcome(old.list_objects_v2, Bucket="landing") == "done"
    try:
        store.site = dataclasses.replace(before, secrets={**before.secrets, "s3.airflow": "a-new-secret-key"})
        store.run(task)
        assert outcome(s3(store, "airflow").list_objects_v2, Bucket="landing") == "done"
        assert outcome(old.list_objects_v2, Bucket="landing") == "SignatureDoesNotMatch"
    finally:
        store.site = before
        store.run(task)
    assert outcome(old.list_objects_v2, Bucket="landing") == "done"


def test_a_replaced_secret_never_works_again(store: Any) -> None:
    """Of 20 changes by turns of two secrets, versitygw's cache of users forgot about eight."""
    admin = Admin(endpoint=s3_endpoint(store.site), credentials=Credentials("root", store.site.secrets["s3.root"]))
    secrets = (store.site.secrets["s3.airflow"], "a-new-secret-key")
    own = [s3(store, "airflow", secret) for secret in secrets]
    others = {user: s3(store, user) for user in USERS if user != "airflow"}
    try:
        for number in range(1, 21):
            for user in USERS:
                admin.ensure_user(
                    user, secrets[number % 2] if user == "airflow" else store.site.secrets[f"s3.{user}"], {user}
                )
            refused = ["SignatureDoesNotMatch", "done"] if number % 2 else ["done", "SignatureDoesNotMatch"]
            for _ in range(2):
                assert [outcome(one.list_objects_v2, Bucket="landing") for one in own] == refused, f"change {number}"
                seen = {user: outcome(one.list_objects_v2, Bucket="lakehouse") for user, one in others.items()}
                assert set(seen.values()) <= {"done", "AccessDenied"}, seen
    finally:
        admin.ensure_user("airflow", secrets[0], {"airflow"})


def test_a_changed_root_secret_takes_effect_at_the_next_start(store: Any) -> None:
    before = store.site
    try:
        store.stop("objectstore")
        store.site = dataclasses.replace(before, secrets={**before.secrets, "s3.root": "a-new-root-key"})
        store.start("objectstore")
        assert outcome(s3(store, "root", before.secrets["s3.root"]).list_buckets) == "SignatureDoesNotMatch"
    finally:
        store.stop("objectstore")
        store.site = before
        store.start("objectstore")
    assert outcome(s3(store, "root").get_object, Bucket="landing", Key="there/is/a.txt") == "done"
