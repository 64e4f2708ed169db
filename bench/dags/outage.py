"""What bench/lineage_outage.py runs: one task of each kind that tells lineage what it does, one after the other."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import dag, task
from lakehold.config.platform import Platform
from lakehold.pipelines.dbt import dbt_task_group
from lakehold.pipelines.gate import Gate
from lakehold.pipelines.spark import SparkJob


class _Gate(Gate):
    """A gate whose suite is in this folder."""

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:
        return [*super().command(context, platform), "--suites", "bench/dags"]


@task
def nothing() -> None:
    """Do as little as a task can."""


@dag(schedule=None, start_date=datetime(2013, 1, 1))
def outage() -> None:
    """Airflow alone, a Trino statement, a Spark job that loads, a gate, dbt's models."""
    statement = SQLExecuteQueryOperator(
        task_id="trino",
        conn_id="trino_default",
        sql="CREATE OR REPLACE TABLE gold.bench_outage AS SELECT carrier, count(*) AS n FROM silver.flights GROUP BY 1",
    )
    spark = SparkJob(task_id="spark", program="bench/dags/outage_spark.py")
    marts = dbt_task_group("marts", project=Path(__file__).parents[2] / "dbt_project")
    gate = _Gate(task_id="gate", suite="outage", start="2013-01-01", end="2013-01-02")
    nothing() >> statement >> spark >> gate >> marts


outage()
