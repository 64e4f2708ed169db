"""Every process, and a publication, is killed with -9 while a run is under way; the runs end with the same answers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import psutil
import pytest
from fingerprints import fingerprints
from running_platform import RunningPlatform
from runs import Runs
from waiting import wait_for

pytestmark = pytest.mark.timeout(1200)


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
    _kill_a_publication(platform, runs)
    runs.end()
    assert fingerprints(platform) == before
    assert platform.shadows() == []


def _kill_a_publication(platform: RunningPlatform, runs: Runs) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        runs.ensure_under_way()
        for _ in range(200):
            if _killed_publishing(platform):
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
