"""What Airflow's scheduler, and so every task forked from it, is given when it starts (``airflow_local_settings``)."""

from __future__ import annotations

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import event

from lakehold.pipelines.forks import die_with_parent


def prepare() -> None:
    """Let tasks die with the scheduler, and deferred tasks forget when their last attempt ended."""
    die_with_parent()
    event.listen(TaskInstance.state, "set", _forget_end)


def _forget_end(ti: TaskInstance, state: str | None, _old: object, _initiator: object) -> None:
    """Clear the end date of a task that is deferred anew.

    Airflow 3.3.2 keeps it when a task that starts in the triggerer is cleared or retried; the task then ends before it
    began, and its duration is negative.
    """
    if state == TaskInstanceState.DEFERRED:
        ti.end_date = None
        ti.duration = None
