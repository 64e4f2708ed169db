"""What bench/lineage_outage.py runs: one task of each kind that tells lineage what it does, one after the other."""

from datetime import datetime
from pathlib import Path

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import dag, task
from lakehold.pipelines.dbt import dbt_task_group
from lakehold.pipelines.spark import SparkJob


@task
def nothing() -> None:
    """Do as little as a task can."""


@dag(schedule=None, start_date=datetime(2013, 1, 1))
def outage() -> None:
    """Airflow alone, a Trino statement, a Spark job, dbt's models."""
    statement = SQLExecuteQueryOperator(
        task_id="trino",
        conn_id="trino_default",
        sql="CREATE OR REPLACE TABLE gold.bench_outage AS SELECT carrier, count(*) AS n FROM silver.flights GROUP BY 1",
    )
    spark = SparkJob(task_id="spark", program="bench/dags/outage_spark.py")
    marts = dbt_task_group("marts", project=Path(__file__).parents[2] / "dbt_project")
    nothing() >> statement >> spark >> marts


outage()
