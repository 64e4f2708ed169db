"""Measure Airflow: tasks a minute and the latency of a chain, with our settings and with Airflow's own.

    python bench/airflow.py [--parallelism 4] [--chains 5] [--rounds 1]

Each round starts PostgreSQL, the lineage service and Airflow twice in a state directory of its own, once with
`[airflow] tuned = true` and once with false, and runs the same DAGs (bench/dags). Times are Airflow's own: from the
start of the run to its end for the chain, from the first task's start to the last one's end for the 200 tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lakehold.components.airflow import ADMIN
from lakehold.pipelines.client import FINISHED, AirflowClient, Run

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass
class Measured:
    """One setting's numbers."""

    tasks_a_minute: list[float] = field(default_factory=list)
    chain_seconds: list[float] = field(default_factory=list)


def lakehold(environment: dict[str, str], *arguments: str) -> None:
    """Run a verb; its progress goes to standard error."""
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=sys.stderr, check=True)


@contextmanager
def airflow(*, tuned: bool, parallelism: int) -> Iterator[AirflowClient]:
    """Start an installation with Airflow in it, and take it away."""
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        environment = {
            **os.environ,
            "LAKEHOLD_STATE": str(state),
            "LAKEHOLD_AIRFLOW_DAGS": "bench/dags",
            "LAKEHOLD_AIRFLOW_TUNED": str(tuned).lower(),
            "LAKEHOLD_AIRFLOW_PARALLELISM": str(parallelism),
        }
        try:
            lakehold(environment, "up", "lineage", "airflow")
            port = json.loads((state / "ports.json").read_text())["airflow"]
            password = (state / "secrets" / "airflow.admin").read_text().strip()
            with AirflowClient(f"http://127.0.0.1:{port}", ADMIN, password) as client:
                yield client
        finally:
            lakehold(environment, "down")


def run(client: AirflowClient, dag_id: str) -> Run:
    """Run a DAG to its end."""
    client.wait_for_dag(dag_id)
    started = client.start(dag_id, None)
    while started.state not in FINISHED:
        # Seldom: the API server that answers us also serves the tasks.
        time.sleep(2)
        started = client.run(started)
    if started.state != "success":
        raise SystemExit(f"{started} failed; it proves nothing")
    return started


def times(client: AirflowClient, ended: Run) -> tuple[datetime, datetime, int]:
    """When the first task started, when the last one ended, and how many there were."""
    tasks = client.tasks(ended)
    starts, ends = [task.start for task in tasks if task.start], [task.end for task in tasks if task.end]
    return min(starts), max(ends), len(tasks)


def measure(client: AirflowClient, chains: int, into: Measured) -> None:
    """Run the DAGs; the first chain warms everything up and is not counted."""
    for number in range(chains + 1):
        ended = run(client, "chain")
        if number:
            into.chain_seconds.append(client.duration(ended))
    start, end, tasks = times(client, run(client, "many"))
    into.tasks_a_minute.append(60 * tasks / (end - start).total_seconds())


def report(measured: dict[str, Measured]) -> dict[str, object]:
    """Medians, and how many times better ours are."""
    rate = {name: statistics.median(found.tasks_a_minute) for name, found in measured.items()}
    chain = {name: statistics.median(found.chain_seconds) for name, found in measured.items()}
    return {
        "tasks_a_minute": {name: round(value) for name, value in rate.items()},
        "tasks_a_minute_times_better": round(rate["tuned"] / rate["stock"], 2),
        "chain_of_5_seconds": {name: round(value, 2) for name, value in chain.items()},
        "chain_times_better": round(chain["stock"] / chain["tuned"], 2),
    }


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallelism", type=int, default=4, help="tasks at the same time, for both settings")
    parser.add_argument("--chains", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    measured = {"tuned": Measured(), "stock": Measured()}
    for _ in range(chosen.rounds):
        for name, into in measured.items():
            with airflow(tuned=name == "tuned", parallelism=chosen.parallelism) as client:
                measure(client, chosen.chains, into)
    print(json.dumps(report(measured)))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
