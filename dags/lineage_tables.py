"""The lineage graph for SQL: every hour the tables `ops.lineage_*` are made to hold what the lineage service knows.

Where a column comes from is then a query: `SELECT source, source_column FROM ops.lineage_edges WHERE target =
'gold.delays' AND ended_at IS NULL`. Nothing is written while nothing changes. By hand: `lakehold run lineage_tables`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from lakehold.pipelines.lineage import LineageTables


@dag(
    # Without a start date the first run is seven minutes past the next hour; one that was missed is not made up for.
    schedule=CronTriggerTimetable("7 * * * *", timezone="UTC", run_immediately=False),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    doc_md=__doc__,
    tags=["lineage"],
)
def lineage_tables() -> None:
    """One program writes them all."""
    LineageTables(task_id="tables")


lineage_tables()
