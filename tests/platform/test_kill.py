"""Every process, and a publication, is killed with -9 while a run is under way; the runs end with the same answers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import psutil
import pytest
from fingerprints import fingerprints
from lakehold.errors import NotRunningError
from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run
from running_platform import RunningPlatform, wait_for

pytestmark = pytest.mark.timeout(1200)

DAY = Interval(start=date(2013, 1, 1), end=date(2013, 1, 2))
DAG = "flights_daily"
Answer = TypeVar("Answer")


@dataclass
class Runs:
    """Keeps a run of one day under way: when one has ended, well, another is started."""

    platform: RunningPlatform
    current: Run | None = None

    def ensure_under_way(self) -> None:
        """Return while a task is at work."""
        if self.current is None or self._ask(self._ended):
            wait_for(self._start, 120, "Airflow starts a run")
        wait_for(lambda: bool(self._ask(self._at_work)), 120, f"a task of {self.current} is at work")

    def end(self) -> None:
        """Wait for the end of the last one."""
        wait_for(lambda: bool(self._ask(self._ended)), 600, f"the end of {self.current}")

    def _start(self) -> bool:
        self.current = self._ask(lambda airflow: airflow.start(DAG, DAY))
        return self.current is not None

    def _ask(self, question: Callable[[AirflowClient], Answer]) -> Answer | None:
        """Ask Airflow; None while it, or its database, is being restarted."""
        try:
            with self.platform.airflow() as airflow:
                return question(airflow)
        except NotRunningError:
            return None

    def _ended(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        state = airflow.run(self.current).state
        if state in FINISHED:
            assert state == "success", [(task.name, task.state, task.attempt) for task in airflow.tasks(self.current)]
        return state in FINISHED

    def _at_work(self, airflow: AirflowClient) -> bool:
        assert self.current is not None
        return any(task.state == "running" for task in airflow.tasks(self.current))


def _healthy_again(platform: RunningPlatform, name: str, old: int | None) -> bool:
    now = platform.health().get(name)
    return now is not None and now.health == "healthy" and now.pid != old


def _all_healthy(platform: RunningPlatform) -> bool:
    return all(process.health == "healthy" for process in platform.health().values())


def test_every_process_may_be_killed_during_a_run(day_run: tuple[RunningPlatform, str]) -> None:
    """The runs are of a day that has been run before: killed or not, they change nothing in any table."""
    platform, _ = day_run
    before = fingerprints(platform)
    victims = [process["process"] for process in platform.status() if process["pid"]]
    assert {"postgres", "objectstore", "trino", "lineage", "airflow-scheduler", "supervisord"} <= set(victims)
    runs = Runs(platform)
    try:
        # The last victim, supervisord, takes everything with it.
        for name in sorted(victims, key=lambda victim: victim == "supervisord"):
            runs.ensure_under_way()
            # A process may have a new number since: killing another restarted it.
            pid = platform.health()[name].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda name=name, pid=pid: _healthy_again(platform, name, pid), 180, f"{name} is healthy again")
    finally:
        wait_for(lambda: _all_healthy(platform), 300, "all is healthy again")
    # The last run is still to publish, and is killed once more while it does.
    _kill_a_publication(runs)
    runs.end()
    assert fingerprints(platform) == before
    assert platform.shadows() == []


def _kill_a_publication(runs: Runs) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        runs.ensure_under_way()
        for _ in range(200):
            if _killed_publishing(runs.platform):
                return
            time.sleep(0.05)
    pytest.fail("no publication was met in time to kill it")


def _killed_publishing(platform: RunningPlatform) -> bool:
    """Kill a publication at some moment of its second; false when there is none, or it was faster."""
    found = _publications(platform)
    time.sleep(random.uniform(0, 0.3) if found else 0)  # noqa: S311 - any moment will do
    alive = [process for process in found if process.is_running()]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return bool(alive)


def _publications(platform: RunningPlatform) -> list[psutil.Process]:
    found = []
    for process in platform.processes():
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if "lakehold.tables.run" in line and "publish" in line:
            found.append(process)
    return found
