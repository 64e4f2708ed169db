"""Tables look after themselves: every night what pays is done, within a budget.

What a table is entitled to is written in `maintenance.yml`; what was done, with before and after, in the table
`ops.table_maintenance`. A table that a run is about to publish is left for the next night. The same by hand:
`lakehold tables maintain`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from lakehold.pipelines.maintenance import Maintenance


@dag(
    # Without a start date the first run is the first night, and a night that was missed is not made up for.
    schedule=CronTriggerTimetable("0 3 * * *", timezone="UTC", run_immediately=False),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["maintenance"],
)
def table_maintenance() -> None:
    """Do what pays most first, until the budget is spent."""
    Maintenance(task_id="tables")


table_maintenance()
