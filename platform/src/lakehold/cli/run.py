"""``lakehold run``: start a DAG run and follow its tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import ERR, OUT
from lakehold.cli.where import Where, anywhere
from lakehold.components.airflow import ADMIN
from lakehold.components.airflow_config import public_url, url
from lakehold.components.model import Site
from lakehold.errors import NotRunningError, RunFailedError
from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run, TaskState

_POLL_SECONDS = 1.0
_TAIL = 15
_PATIENCE = timedelta(minutes=2)
"""How long the API server may be away (it is being restarted) before we give up following."""

_STYLES = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "dark_orange",
    "running": "cyan",
    "deferred": "magenta",
    "up_for_retry": "yellow",
    "skipped": "dim",
}
_T = TypeVar("_T")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("dag")
@anywhere
@click.option("--from", "first", type=_DAY, help="First day of the data interval.")
@click.option("--to", "until", type=_DAY, help="The day after the last one; by default the day after --from.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the tasks until the run has ended.")
def run(where: Where, dag: str, first: datetime | None, until: datetime | None, wait: bool) -> None:
    """Run DAG now and follow its tasks live. Exit code 7 when the run fails.

    An interval that was run before is run again. Ctrl-C ends the following, not the run.

    \b
    Examples:
      lakehold run flights_daily --from 2013-01-01                    one day
      lakehold run flights_daily --from 2013-01-01 --to 2013-12-01    eleven months as one interval
      lakehold run flights_daily --from 2013-01-02 --no-wait          start it and return
      lakehold run flights_daily --from 2013-01-01 --context prod     in a cluster
    """
    interval = _interval(first, until)
    with where.site("airflow") as site, client(site) as airflow:
        _patiently(lambda: airflow.wait_for_dag(dag))
        # Starting the run of an interval twice starts it once. A run of now would be started twice.
        started = _patiently(lambda: airflow.start(dag, interval)) if interval else airflow.start(dag, interval)
        OUT.print(f"{dag} {started.run_id}  {airflow.link(started)}", highlight=False, soft_wrap=True)
        if wait:
            follow(airflow, started, OUT)


def _interval(first: datetime | None, until: datetime | None) -> Interval | None:
    if first is None:
        if until is not None:
            raise click.UsageError("--to needs --from.")
        return None
    start: date = first.date()
    return Interval(start=start, end=until.date() if until else start + timedelta(days=1))


def client(site: Site) -> AirflowClient:
    """Log in to the installation's Airflow."""
    return AirflowClient(url(site), ADMIN, site.secrets["airflow.admin"], public=public_url(site))


def follow(airflow: AirflowClient, run: Run, console: Console) -> None:
    """Show the tasks until the run has ended; :class:`RunFailedError` with the ends of the logs when it failed."""
    try:
        with _display(console, run) as display:
            ended, tasks = _watch(airflow, run, display)
    except KeyboardInterrupt:
        ERR.print(f"No longer following; the run goes on: {airflow.link(run)}", highlight=False, soft_wrap=True)
        raise
    if ended.state == "success":
        console.print(f"[green]success[/green]  {len(tasks)} tasks", highlight=False)
        return
    failed = [task for task in tasks if task.state == "failed"]
    for task in failed:
        console.print(Text(f"\n{task.name} failed (attempt {task.attempt}); the end of its log:", style="red"))
        for line in airflow.log(run, task)[-_TAIL:]:
            console.print(Text(f"  {line}"), soft_wrap=True)
    names = ", ".join(task.name for task in failed) or "no task; Airflow itself stopped it"
    raise RunFailedError(
        f"{run.dag_id} {run.run_id} failed.", why=f"failed: {names}", remedy=f"read the log at {airflow.link(run)}"
    )


def _watch(airflow: AirflowClient, run: Run, display: _Display) -> tuple[Run, list[TaskState]]:
    while True:
        now, tasks = _patiently(lambda: (airflow.run(run), airflow.tasks(run)))
        display.show(tasks)
        if now.state in FINISHED:
            return now, tasks
        time.sleep(_POLL_SECONDS)


def _patiently(ask: Callable[[], _T]) -> _T:
    """Ask until there is an answer; :class:`NotRunningError` when there was none for too long."""
    began = time.monotonic()
    while True:
        try:
            return ask()
        except NotRunningError:
            if time.monotonic() - began > _PATIENCE.total_seconds():
                raise
        time.sleep(_POLL_SECONDS)


class _Display(Protocol):
    def show(self, tasks: list[TaskState]) -> None: ...


class _Lines:
    """One line for each change of a task's state, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[str | None, int]] = {}

    def show(self, tasks: list[TaskState]) -> None:
        """Print what has changed."""
        now = datetime.now(UTC)
        for task in tasks:
            state = (task.state, task.attempt)
            if task.state is None or self._shown.get(task.name) == state:
                continue
            self._shown[task.name] = state
            took = f"{task.seconds(now):.1f} s" if task.end and task.start else ""
            self._console.print(f"{now:%H:%M:%S}  {task.name:<40} {task.state:<16} {took}".rstrip(), highlight=False)


class _Live:
    """A table that is drawn again at each look, for terminals."""

    def __init__(self, live: Live, title: str) -> None:
        self._live = live
        self._title = title

    def show(self, tasks: list[TaskState]) -> None:
        """Draw the table."""
        now = datetime.now(UTC)
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("task", "state", "seconds", "attempt"):
            table.add_column(column, justify="right" if column in ("seconds", "attempt") else "left")
        for task in tasks:
            seconds = task.seconds(now)
            took = "" if seconds is None else f"{seconds:.1f}"
            state = task.state or "waiting"
            table.add_row(task.name, Text(state, style=_STYLES.get(state, "dim")), took, str(task.attempt or ""))
        done = sum(task.state == "success" for task in tasks)
        self._live.update(Group(Text(f"{self._title}: {done} of {len(tasks)} tasks done"), table))


@contextmanager
def _display(console: Console, run: Run) -> Iterator[_Display]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4, vertical_overflow="visible") as live:
        yield _Live(live, f"{run.dag_id} {run.run_id}")
