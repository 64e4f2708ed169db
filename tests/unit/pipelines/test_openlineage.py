"""A Spark application knows its task by these properties."""

from __future__ import annotations

from lakehold.pipelines.openlineage import parent_conf


def test_a_task_and_its_run_become_spark_properties() -> None:
    assert parent_conf("lakehold/flights_daily.bronze/id-1", "lakehold/flights_daily/id-0") == {
        "spark.openlineage.parentJobNamespace": "lakehold",
        "spark.openlineage.parentJobName": "flights_daily.bronze",
        "spark.openlineage.parentRunId": "id-1",
        "spark.openlineage.rootParentJobNamespace": "lakehold",
        "spark.openlineage.rootParentJobName": "flights_daily",
        "spark.openlineage.rootParentRunId": "id-0",
    }
