"""Runs of the main job that are followed while things around them are killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run
from waiting import wait_for

DAG = "flights_daily"
DAY = Interval(start=date(2013, 1, 1), end=date(2013, 1, 2))


class Asked(Protocol):
    """A platform, on one machine or on a cluster."""

    def patiently(self, question: Callable[[AirflowClient], Any]) -> Any:
        """Ask Airflow; None while it, its database or the way to it is being started again."""


@dataclass
class Runs:
    """Keeps a run of one day under way: when one has ended, well, another is started.

    The day has been run before: killed or not, these change nothing in any table.
    """

    platform: Asked
    seconds: float = 120
    """For one step: that a run is started, that one of its tasks is at work."""
    current: Run | None = None

    def ensure_under_way(self) -> None:
        """Return while a task is at work."""
        if self.current is None or self.platform.patiently(self._ended):
            wait_for(self._start, self.seconds, "Airflow starts a run")
        at_work = f"a task of {self.current} is at work"
        wait_for(lambda: bool(self.platform.patiently(self._at_work)), self.seconds, at_work)

    def attempt(self, task: str) -> int | None:
        """Which attempt at a task of the run the last one was; None while Airflow cannot be asked."""

        def ask(airflow: AirflowClient) -> int | None:
            assert self.current is not None
            return next((one.attempt for one in airflow.tasks(self.current) if one.name == task), None)

        found: int | None = self.platform.patiently(ask)
        return found

    def end(self) -> None:
        """Wait for the end of the last one."""
        wait_for(lambda: bool(self.platform.patiently(self._ended)), 5 * self.seconds, f"the end of {self.current}")

    def _start(self) -> bool:
        self.current = self.platform.patiently(lambda airflow: airflow.start(DAG, DAY))
        return self.current is not None

    def _ended(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        state = airflow.run(self.current).state
        if state in FINISHED:
            assert state == "success", [(task.name, task.state, task.attempt) for task in airflow.tasks(self.current)]
        return state in FINISHED

    def _at_work(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        return any(task.state == "running" for task in airflow.tasks(self.current))
