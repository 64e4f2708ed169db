"""The main job: a day's flights from the airline's file to the marts that readers see.

Spark loads and joins, dbt builds gold, and each layer is published when its gate has passed, all its tables at once.
The data interval drives everything, so months can be loaded as one run: `lakehold run flights_daily --from 2013-01-01
--to 2013-12-01`. Running an interval again changes nothing, unless a corrected file has landed: then its day is
replaced.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import dag
from lakehold.pipelines.audited import audited
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
    # A killed server costs a task an attempt; what a retry cannot mend (bad input, a broken rule) is not retried.
    default_args={"retries": 3, "retry_delay": timedelta(seconds=15)},
    doc_md=__doc__,
    tags=["main"],
)
def flights_daily() -> None:
    """Land, bronze, silver, gold; readers get a layer when its gate has passed, all its tables at once."""
    landed = LandedFiles(task_id="landed", patterns=FILES, wait=timedelta(hours=6))

    with audited("bronze", schemas=["bronze"]) as bronze:
        load = SparkJob(task_id="load", program="jobs/bronze_flights.py", arguments=INTERVAL)
        load >> Gate(task_id="gate", suite="bronze_flights")

    with audited("silver", schemas=["silver"]) as silver:
        join = SparkJob(task_id="join", program="jobs/silver_flights.py", arguments=INTERVAL)
        join >> Gate(task_id="gate", suite="silver_flights")

    with audited("gold", schemas=["gold"]) as gold:
        marts = dbt_task_group("marts", project=Path(__file__).parents[1] / "dbt_project")
        marts >> Gate(task_id="gate", suite="gold")

    landed >> bronze >> silver >> gold


flights_daily()
