"""Bucket policies: made of the grants, and nothing else."""

from __future__ import annotations

from lakehold.components.objectstore import USERS
from lakehold.components.objectstore_policy import Grant, grants, policies, split_uri


def test_a_prefix_bounds_objects_and_the_bucket_keeps_its_name() -> None:
    (grant,) = [grant for grant in grants("s3://lake/wh/one/", "in", "out") if grant.user == "trino"]
    assert grant == Grant(user="trino", bucket="lake", prefix="wh/one/", write=True)
    documents = policies([grant])
    objects, bucket = documents["lake"]["Statement"]
    assert objects["Resource"] == ["arn:aws:s3:::lake/wh/one/*"]
    assert bucket["Resource"] == ["arn:aws:s3:::lake"]


def test_a_reader_gets_no_action_that_changes_anything() -> None:
    (document,) = policies([Grant(user="airflow", bucket="landing")]).values()
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    assert not [action for action in actions if not action.startswith(("s3:Get", "s3:List"))]


def test_who_may_read_some_objects_only_lists_none() -> None:
    (document,) = policies([Grant(user="lineage", bucket="lake", prefix="wh/", only="*/metadata/*.json")]).values()
    (statement,) = document["Statement"]
    assert statement["Action"] == ["s3:GetObject"]
    assert statement["Resource"] == ["arn:aws:s3:::lake/wh/*/metadata/*.json"]


def test_nobody_may_administer_and_everybody_is_known() -> None:
    documents = policies(grants("s3://lakehouse/", "in", "out"))
    assert set(documents) == {"lakehouse", "in", "out"}
    statements = [statement for document in documents.values() for statement in document["Statement"]]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    assert {user for statement in statements for user in statement["Principal"]["AWS"]} == set(USERS)
    actions = {action for statement in statements for action in statement["Action"]}
    assert not [action for action in actions if "*" in action or "Policy" in action or "Acl" in action]


def test_logs_are_read_and_written_by_airflow_alone() -> None:
    document = policies(grants("s3://lakehouse/", "in", "out", "kept"))["kept"]
    assert {user for statement in document["Statement"] for user in statement["Principal"]["AWS"]} == {"airflow"}


def test_an_uri_without_a_prefix() -> None:
    assert split_uri("s3://lakehouse/") == ("lakehouse", "")
    assert split_uri("s3://lakehouse") == ("lakehouse", "")
