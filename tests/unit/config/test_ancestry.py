"""Who started a process, in the environment, as Spark's properties and as Trino's client tags."""

from __future__ import annotations

import pytest
from lakehold.config.ancestry import (
    PROGRAM,
    Ancestor,
    Ancestry,
    of_environment,
    of_trino_tags,
    snapshot_properties,
    spark_conf,
    trino_tags,
)
from lakehold.config.ancestry import TASK as TASK_KEY

TASK = Ancestor("lakehold", "flights_daily.bronze", "id-1")
RUN = Ancestor("lakehold", "flights_daily", "id-0")
ENVIRONMENT = {
    "OPENLINEAGE_PARENT_ID": "lakehold/flights_daily.bronze/id-1",
    "OPENLINEAGE_ROOT_PARENT_ID": "lakehold/flights_daily/id-0",
}


def test_an_operator_tells_its_command() -> None:
    assert of_environment(ENVIRONMENT) == Ancestry(task=TASK, root=RUN)
    assert of_environment({}) == Ancestry()
    assert Ancestry(task=TASK, root=RUN).variables() == ENVIRONMENT


def test_what_is_no_ancestor_is_not_passed_on_to_a_snapshot() -> None:
    told = snapshot_properties("p", of_environment({**ENVIRONMENT, "OPENLINEAGE_PARENT_ID": "broken"}))
    assert told[PROGRAM] == "p"
    by_hand = Ancestor.read(told[TASK_KEY])
    assert by_hand is not None
    assert (by_hand.namespace, by_hand.job) == ("lakehold", "p")


@pytest.mark.parametrize("text", ["", "a", "a/b", "/a/b", "a//b"])
def test_what_is_no_ancestor_is_nobody(text: str) -> None:
    assert Ancestor.read(text) is None


def test_a_namespace_may_have_slashes() -> None:
    assert Ancestor.read("https://airflow/prod/dag.task/id") == Ancestor("https://airflow/prod", "dag.task", "id")


def test_a_task_and_its_run_become_spark_properties() -> None:
    assert spark_conf(Ancestry(task=TASK, root=RUN)) == {
        "spark.openlineage.parentJobNamespace": "lakehold",
        "spark.openlineage.parentJobName": "flights_daily.bronze",
        "spark.openlineage.parentRunId": "id-1",
        "spark.openlineage.rootParentJobNamespace": "lakehold",
        "spark.openlineage.rootParentJobName": "flights_daily",
        "spark.openlineage.rootParentRunId": "id-0",
        "spark.sql.iceberg.snapshot-property.lakehold.task": "lakehold/flights_daily.bronze/id-1",
        "spark.sql.iceberg.snapshot-property.lakehold.root": "lakehold/flights_daily/id-0",
    }
    assert spark_conf(Ancestry()) == {}


@pytest.mark.parametrize("name", ["flights_daily.bronze", "täglich.übernahme", "日次.読み込み", "a,b.c"])
def test_client_tags_carry_any_name_as_ascii_without_a_comma(name: str) -> None:
    told = Ancestry(task=Ancestor("lakehold", name, "id-1"), root=RUN)
    tags = trino_tags(told)
    assert all(tag.isascii() and "," not in tag for tag in tags)
    assert of_trino_tags(["reporting", *tags]) == told


def test_tags_of_others_are_nobodys() -> None:
    assert of_trino_tags(["reporting", "lakehold-task:", "lakehold-task:x"]) == Ancestry()
    assert trino_tags(Ancestry()) == []
