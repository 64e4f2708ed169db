"""The main job: a day's flights from the airline's file to the marts that readers see.

Spark loads and joins, a gate decides after each layer, dbt builds gold. The data interval drives everything, so months
can be loaded as one run: `lakehold run flights_daily --from 2013-01-01 --to 2013-12-01`. Running an interval again
changes nothing, unless a corrected file has landed: then its day is replaced.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import dag
from lakehold.pipelines.dbt import dbt_task_group
from lakehold.pipelines.gate import Gate
from lakehold.pipelines.landing import LandedFiles
from lakehold.pipelines.spark import SparkJob

INTERVAL = ["--from", "{{ data_interval_start | ds }}", "--to", "{{ data_interval_end | ds }}"]
FILES = ["flights/{day}.csv", *(f"reference/{name}.csv" for name in ("airlines", "airports", "planes", "weather"))]


@dag(
    schedule="@daily",
    start_date=datetime(2013, 1, 1),
    # The data end with the year. Without an end the schedule would go on, and wait for files of today.
    end_date=datetime(2013, 12, 31),
    catchup=False,
    # Two runs would replace the same marts.
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["main"],
)
def flights_daily() -> None:
    """Land, bronze, silver, gold, with a gate behind each layer."""
    landed = LandedFiles(task_id="landed", patterns=FILES, wait=timedelta(hours=6))
    bronze = SparkJob(task_id="bronze", program="jobs/bronze_flights.py", arguments=INTERVAL)
    silver = SparkJob(task_id="silver", program="jobs/silver_flights.py", arguments=INTERVAL)
    gold = dbt_task_group("gold", project=Path(__file__).parents[1] / "dbt_project")

    gate_bronze = Gate(task_id="gate_bronze", suite="bronze_flights")
    gate_silver = Gate(task_id="gate_silver", suite="silver_flights")
    gate_gold = Gate(task_id="gate_gold", suite="gold")

    landed >> bronze >> gate_bronze >> silver >> gate_silver >> gold >> gate_gold


flights_daily()
