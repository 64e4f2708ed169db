"""Every process is killed with -9 while a run is under way; the run ends well, with the same answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from running_platform import RunningPlatform, wait_for

RUN = ("run", "flights_daily", "--from", "2013-01-01", "--to", "2013-01-02", "--wait")
COUNT = (
    "select count(*) as n, sum(arr_delay) as late from lakehouse.silver.flights where flight_date = date '2013-01-01'"
)


def _healthy_again(platform: RunningPlatform, name: str, old: int) -> bool:
    now = {process["process"]: process for process in platform.status()}
    return name in now and now[name]["health"] == "healthy" and now[name]["pid"] != old


def test_every_process_may_be_killed_during_a_run(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    before = platform.sql(COUNT)
    victims = {process["process"]: process["pid"] for process in platform.status() if process["pid"]}
    assert {"postgres", "objectstore", "trino", "lineage", "airflow-scheduler", "supervisord"} <= set(victims)
    command = [str(Path(sys.executable).with_name("lakehold")), *RUN]
    run = subprocess.Popen(command, cwd=platform.checkout, env=platform.environment)
    try:
        for name in victims:
            # A process may have a new number since: killing another restarted it.
            pid = next(process["pid"] for process in platform.status() if process["process"] == name)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda name=name, pid=pid: _healthy_again(platform, name, pid), 180, f"{name} is healthy again")
            time.sleep(2)
        assert run.wait(600) == 0
    finally:
        run.kill()
        # The last victim, supervisord, took everything with it.
        wait_for(lambda: all(one["health"] == "healthy" for one in platform.status()), 300, "all is healthy again")
    assert platform.sql(COUNT) == before
