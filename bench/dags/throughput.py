"""What bench/airflow.py runs: many small tasks side by side, and a few one after the other."""

from airflow.sdk import dag, task


@task
def nothing(number: int = 0) -> None:
    """Do as little as a task can."""


@dag(schedule=None)
def many() -> None:
    """200 mapped tasks."""
    nothing.expand(number=list(range(200)))


@dag(schedule=None)
def chain() -> None:
    """Five tasks, each after the one before."""
    first, *rest = [nothing.override(task_id=f"step_{number}")() for number in range(5)]
    for following in rest:
        first >> following
        first = following


many()
chain()
