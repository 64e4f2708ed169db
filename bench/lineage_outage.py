"""Measure what the lineage service costs its emitters when it is down, refuses or hangs.

    python bench/lineage_outage.py [--rounds 1]

Starts the platform in a state directory of its own that is removed afterwards and runs one DAG (bench/dags/outage.py):
a task of Airflow alone, a Trino statement, a Spark job that tells of a landed file, a gate, dbt's models. First with
the service, then with nothing on its port, with something that answers 503, and with something that never answers.
Times are Airflow's own. The result is printed as JSON; ends with exit code 1 when a task took more than two seconds
longer than with the service, or when the service, back again, has not been told of every Spark job, landed file, gate
and Trino statement: of the first three by the files they left, of the last by Trino's listener, which tries for a
minute, or by Trino's own memory, which is asked two minutes after a commit that nobody explains.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from lakehold.components.airflow import ADMIN
from lakehold.config import platform as platforms
from lakehold.config import posting, spool
from lakehold.pipelines.client import FINISHED, AirflowClient, Run

CHECKOUT = Path(__file__).resolve().parents[1]
PROMISED_SECONDS = 2.0
DAG = "outage"
_TOLD_SECONDS = 300
"""Most to wait for what was told late."""
FLIGHTS = """
CREATE TABLE silver.flights AS SELECT flight_date, 'AA' AS carrier, 'American' AS carrier_name, 1 AS flight,
  'N1' AS tailnum, 'JFK' AS origin, 'MIA' AS dest, 'Miami' AS dest_name, 1e0 AS dest_lat, 2e0 AS dest_lon,
  5 AS dep_delay, 9 AS arr_delay, 190 AS air_time, 1089 AS distance, false AS cancelled, 10e0 AS wind_speed,
  0e0 AS precip, 10e0 AS visib, 2000 AS plane_year, 'BOEING' AS plane_manufacturer, '737' AS plane_model,
  150 AS plane_seats
FROM unnest(sequence(DATE '2013-01-01', DATE '2013-12-31')) AS t (flight_date)
"""


@dataclass
class Installation:
    """A platform in a folder of its own."""

    state: Path
    ports: dict[str, int] = field(default_factory=dict)

    def lakehold(self, *arguments: str) -> None:
        """Run a verb; what it prints goes to standard error."""
        environment = {**os.environ, "LAKEHOLD_STATE": str(self.state), "LAKEHOLD_AIRFLOW_DAGS": "bench/dags"}
        command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
        subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=sys.stderr, check=True)
        self.ports = json.loads((self.state / "ports.json").read_text())

    def secret(self, name: str) -> str:
        """Read a generated secret."""
        return (self.state / "secrets" / name).read_text().strip()

    def airflow(self) -> AirflowClient:
        """Log in to Airflow."""
        return AirflowClient(f"http://127.0.0.1:{self.ports['airflow']}", ADMIN, self.secret("airflow.admin"))

    def ask(self, path: str) -> list[dict[str, Any]]:
        """Ask the lineage service for a list."""
        url = f"http://127.0.0.1:{self.ports['lineage']}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {self.secret('lineage.token')}"}
        answer = httpx.get(url, headers=headers, trust_env=False, timeout=30).raise_for_status()
        rows: list[dict[str, Any]] = next(iter(answer.json().values()))
        return rows


class _Refuses(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer 503."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class _Hangs(_Refuses):
    over = threading.Event()

    def do_POST(self) -> None:
        """Never answer."""
        self.over.wait()
        self.close_connection = True


@contextmanager
def instead(port: int, handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[None]:
    """Serve on the service's port."""
    _Hangs.over.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        _Hangs.over.set()


def run(client: AirflowClient) -> dict[str, float]:
    """Run the DAG to its end; returns the seconds of each task and of the whole."""
    client.wait_for_dag(DAG)
    started = client.start(DAG, None)
    while started.state not in FINISHED:
        time.sleep(1)
        started = client.run(started)
    if started.state != "success":
        raise SystemExit(f"{started} failed; it proves nothing\n{_log(client, started)}")
    tasks = {task.task_id: task for task in client.tasks(started) if task.start and task.end}
    kinds = {"airflow": "nothing", "trino": "trino", "spark": "spark", "gate": "gate", "dbt": "marts.build"}
    seconds = {kind: (tasks[name].end - tasks[name].start).total_seconds() for kind, name in kinds.items()}  # type: ignore[operator]  # both are there
    return seconds | {"the whole run": client.duration(started)}


def _log(client: AirflowClient, ended: Run) -> str:
    failed = [task for task in client.tasks(ended) if task.state == "failed" and task.start]
    return "\n".join(line for task in failed for line in client.log(ended, task)[-15:])


def best(client: AirflowClient, rounds: int) -> dict[str, float]:
    """Return the least of several runs: what comes on top of it is the machine's."""
    found = [run(client) for _ in range(rounds)]
    return {name: min(one[name] for one in found) for name in found[0]}


def measure(installed: Installation, rounds: int) -> dict[str, dict[str, float]]:
    """Run with the service, and with each kind of outage."""
    installed.lakehold("up")
    installed.lakehold("sql", "--user", "admin", FLIGHTS)
    with installed.airflow() as client:
        run(client)  # compiles, loads classes, makes the tables; not counted
        seconds = {"there": best(client, rounds)}
        installed.lakehold("down", "lineage")
        port = installed.ports["lineage"]
        outages = {"down": nullcontext(), "refuses": instead(port, _Refuses), "hangs": instead(port, _Hangs)}
        for name, outage in outages.items():
            with outage:
                seconds[name] = best(client, rounds)
            print(f"{name}: {seconds[name]}", file=sys.stderr)  # noqa: T201 - progress
        installed.lakehold("up", "lineage")
    # What the next Spark job, or the DAG `lineage_tables`, would post.
    known = platforms.loads((installed.state / "conf" / "airflow" / "platform.json").read_text(encoding="utf-8"))
    if why := spool.post_left(posting.folder(known), known.lineage, _say):
        raise SystemExit(f"what was left over is not taken: {why}")
    return seconds


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress


def told(installed: Installation, kind: str, wanted: int) -> int:
    """Return of how many runs of the DAG the service knows this kind of statement, waiting for all of them."""
    deadline = time.monotonic() + _TOLD_SECONDS
    while True:
        runs = installed.ask(f"runs?limit=1000&{'job=quality.outage' if kind == 'gate' else 'dataset=bench_outage'}")
        # Airflow's hook tells Trino which task a query is of, and not of which run.
        key = "run_id" if kind == "trino" else "root_run_id"
        tasks = {row[key] for row in runs if row["state"] == "COMPLETE" and _is(row, kind)}
        if len(tasks) >= wanted or time.monotonic() > deadline:
            return len(tasks)
        time.sleep(1)


def _is(row: dict[str, Any], kind: str) -> bool:
    """Whether a run is of this kind; what Airflow tells of its own tasks is none."""
    written = {dataset["name"] for dataset in row["outputs"]}
    if kind == "load":
        return str(row["job_name"]).endswith(".landed.bench_outage")
    named = {"trino": "gold.bench_outage", "spark": "bronze/bench_outage"}
    own = row["job_name"] in (f"{DAG}.trino", f"{DAG}.spark")
    return kind == "gate" or (not own and any(named[kind] in name for name in written))


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="runs of each kind, the fastest of which counts")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        installed = Installation(Path(folder) / "state")
        try:
            seconds = measure(installed, rounds)
            runs = 1 + 4 * rounds
            known = {kind: told(installed, kind, runs) for kind in ("spark", "load", "gate", "trino")}
        finally:
            installed.lakehold("down")
    longer = {
        name: {kind: round(value - seconds["there"][kind], 2) for kind, value in found.items()}
        for name, found in seconds.items()
        if name != "there"
    }
    result = {
        "with_the_service_seconds": {kind: round(value, 2) for kind, value in seconds["there"].items()},
        "longer_seconds": longer,
        "runs": runs,
        "runs_told_of": known,
    }
    print(json.dumps(result, indent=2))  # noqa: T201 - its output
    slow = [
        f"{kind} with a service that {name}: {value} s longer"
        for name, found in longer.items()
        for kind, value in found.items()
        if value > PROMISED_SECONDS and kind != "the whole run"
    ]
    lost = [f"{kind}: {count} of {runs} runs are known" for kind, count in known.items() if count < runs]
    if broken := slow + lost:
        raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
