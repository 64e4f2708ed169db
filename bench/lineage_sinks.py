"""Measure what happens when those who are told of lineage are away for an hour of full load, and then come back.

    python bench/lineage_sinks.py [--share 0.05]

Full load is what the platform itself can make: Airflow's measured 394 tasks a minute, 8.5 events a task, 12.6 kB
an event (a year's run of the main job). An OpenLineage endpoint and a FAKE OpenMetadata (of the tests' harness, as
slow as a live 1.2 was: 25 tables, 125 edges a second), which know the tables and edges there are, refuse
connections while an hour of full load, scaled by `--share`, is received and worked in. Then both come back.
Promised: nothing is lost, the order of each table's events is kept, memory stays the same, and each is told at 10
times the rate of arrival.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests" / "harness"))

from fake_openmetadata import TOKEN, FakeOpenMetadata  # noqa: E402 - the harness is no package
from faulty_http import Answer, FaultyServer, Request  # noqa: E402
from listening import service  # noqa: E402 - beside this file

TASKS_A_MINUTE = 394
EVENTS_A_TASK = 8.5
EVENT_BYTES = 12_600
ARRIVAL = TASKS_A_MINUTE / 60 * EVENTS_A_TASK
"""Events a second at full load."""
_KNOWN = 400
"""Events before the hour: both know every table and edge by then, as in an installation that has run for a day."""
_TABLES, _JOBS, _COLUMNS = 60, 40, 20
_RUNS_OF_A_DAG = 24
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH = 50
_FLAT_MB = 60
"""Most that memory may grow, whatever waits: a window of events, twice, and what Python keeps of it."""
_SLOWNESS = {"tables": 0.04, "lineage": 0.008, "containers": 0.04}
"""Seconds a live OpenMetadata 1.2 took for each, with few connections."""


@dataclass
class Endpoint:
    """Takes events, and remembers their numbers by table."""

    by_table: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Answer:
        """Take one."""
        event = json.loads(request.body)
        about = event["outputs"] or [event["job"]]
        with self.lock:
            self.by_table[about[0]["name"]].append(int(event["producer"].rpartition(":")[2]))
        return Answer(201)

    def told(self) -> int:
        """How many different events came."""
        return len({number for numbers in list(self.by_table.values()) for number in list(numbers)})

    def out_of_order(self) -> int:
        """How many came first after a later one of their table."""
        wrong = 0
        for numbers in self.by_table.values():
            firsts = list(dict.fromkeys(numbers))
            wrong += sum(later < earlier for earlier, later in pairwise(firsts))
        return wrong


def events(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Make runs of jobs that read two tables and write a third, of the size engines' events have, and runs of DAGs.

    A table gets another column every 1,000 events, so that there is something to tell a catalog.
    """
    for number in range(first, first + count):
        if number // 2 % _RUNS_OF_A_DAG == 0:
            yield _padded(_of_a_dag(number))
            continue
        job = (number // 2) % _JOBS
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"run {number // 2}")
        sources = [f"silver.t{(job * 7 + side) % _TABLES}" for side in (0, 1)]
        target = f"gold.t{job % _TABLES}"
        names = [f"c{column}" for column in range(_COLUMNS + number // 1000 % 10)]
        lineage = {
            name: {
                "inputFields": [
                    {
                        "namespace": "lakehouse", "name": sources[index % 2], "field": name,
                        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY", "description": ""}],
                    }
                ]
            }
            for index, name in enumerate(names)
        }  # fmt: skip
        schema = {"fields": [{"name": name, "type": "bigint"} for name in names]}
        facets = {"schema": schema, "columnLineage": {"fields": lineage}}
        event: dict[str, Any] = {
            "eventType": "COMPLETE" if number % 2 else "START",
            "eventTime": (_BEGIN + timedelta(seconds=number)).isoformat(),
            "run": {"runId": str(run)},
            "job": {"namespace": "lakehold", "name": f"bench.task_{job}"},
            "inputs": [{"namespace": "lakehouse", "name": name, "facets": {"schema": schema}} for name in sources],
            "outputs": [{"namespace": "lakehouse", "name": target, "facets": facets}],
            "producer": f"urn:bench:{number}",
            "schemaURL": "urn:bench",
        }
        yield _padded(event)


def _of_a_dag(number: int) -> dict[str, Any]:
    """Make an event of a DAG's run as Airflow sends it."""
    tasks = {f"task_{job}": {"operator": "bench.Task", "downstream_task_ids": []} for job in range(_JOBS)}
    job = {"jobType": {"jobType": "DAG", "integration": "AIRFLOW"}, "airflow": {"tasks": tasks}}
    state = {"airflowState": {"tasksState": dict.fromkeys(tasks, "success")}} if number % 2 else {}
    return {
        "eventType": "COMPLETE" if number % 2 else "START",
        "eventTime": (_BEGIN + timedelta(seconds=number)).isoformat(),
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"run {number // 2}")), "facets": state},
        "job": {"namespace": "lakehold", "name": "bench", "facets": job},
        "inputs": [],
        "outputs": [],
        "producer": f"urn:bench:airflow:{number}",
        "schemaURL": "urn:bench",
    }


def _padded(event: dict[str, Any]) -> dict[str, Any]:
    lacking = EVENT_BYTES - len(json.dumps(event))
    text = uuid.uuid5(uuid.NAMESPACE_URL, event["producer"]).hex * (max(lacking, 0) // 32)
    event["run"].setdefault("facets", {})["padding"] = {"text": text}
    return event


def send(client: httpx.Client, first: int, count: int) -> float:
    """Send events as fast as they are taken; return the seconds."""
    began, batch = time.monotonic(), []
    for event in events(first, count):
        batch.append(event)
        if len(batch) == _BATCH:
            _post(client, batch)
            batch = []
    if batch:
        _post(client, batch)
    return time.monotonic() - began


def _post(client: httpx.Client, batch: list[dict[str, Any]]) -> None:
    body = json.dumps(batch)
    for _ in range(100):
        if client.post("/api/v1/lineage/batch", content=body).status_code == 201:
            return
        time.sleep(0.1)
    raise SystemExit("the service does not take events")


class Memory:
    """Samples the memory of the service's worker, which runs the sinks."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.most = 0.0

    @property
    def worker(self) -> psutil.Process:
        """The process that runs the sinks."""
        return next(child for child in self._process.children() if "lakehold.lineage.graph.worker" in child.cmdline())

    def cpu(self) -> float:
        """Seconds of the processor it has used."""
        times = self.worker.cpu_times()
        return float(times.user + times.system)

    def now(self) -> float:
        """Megabytes now."""
        found = float(self.worker.memory_info().rss) / 2**20
        self.most = max(self.most, found)
        return found


def sinks(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Where each sink stands."""
    return {row["name"]: row for row in client.get("/api/v1/sinks").raise_for_status().json()["sinks"]}


def wait(condition: Callable[[], bool], memory: Memory, seconds: float = 3600) -> float:
    """Wait, sampling memory; return the seconds."""
    began = time.monotonic()
    while not condition():
        memory.now()
        if time.monotonic() - began > seconds:
            raise SystemExit("it did not come")
        time.sleep(0.2)
    return time.monotonic() - began


def measure(client: httpx.Client, count: int, servers: dict[str, FaultyServer], memory: Memory) -> dict[str, Any]:
    """Run the hour without anybody to tell, then the return of both, one after the other."""
    wait(lambda: set(sinks(client)) == {"openlineage", "openmetadata"}, memory)
    for server in servers.values():
        server.start()
    send(client, 0, _KNOWN)
    wait(lambda: _worked_in(client) and all(_through(row) for row in sinks(client).values()), memory)
    for server in servers.values():
        server.stop()
    before = memory.now()
    received = send(client, _KNOWN, count)
    worked = wait(lambda: _worked_in(client), memory)
    away = sinks(client)
    away_most = memory.most
    told, cpu = {}, {}
    for name, server in servers.items():
        used = memory.cpu()
        server.start()
        client.post(f"/api/v1/sinks/{name}/replay", json={})
        told[name] = wait(lambda name=name: _through(sinks(client)[name]), memory)  # type: ignore[misc]  # a default is how a loop's value is kept
        cpu[name] = memory.cpu() - used
    return {
        "events": count,
        "megabytes": round(count * EVENT_BYTES / 2**20),
        "arrival_per_second": round(ARRIVAL, 1),
        "received_seconds": round(received, 1),
        "worked_in_seconds": round(worked, 1),
        "waiting_events": away["openlineage"]["behind"],
        "waiting_changes": away["openmetadata"]["behind"],
        "openlineage_seconds": round(told["openlineage"], 1),
        "openlineage_per_second": round(count / told["openlineage"]),
        "openlineage_times_arrival": round(count / told["openlineage"] / ARRIVAL, 1),
        "openlineage_cpu_ms_an_event": round(1000 * cpu["openlineage"] / count, 2),
        "fake_openmetadata_seconds": round(told["openmetadata"], 1),
        "fake_openmetadata_times_arrival": round(count / ARRIVAL / told["openmetadata"], 1),
        "memory_mb_before": round(before),
        "memory_mb_most_while_away": round(away_most),
        "memory_mb_most": round(memory.most),
        "letters": sum(row["letters"] for row in sinks(client).values()),
    }


def _worked_in(client: httpx.Client) -> bool:
    return all(not row["behind"] and not row.get("due") for row in client.get("/api/v1/stages").json()["stages"])


def _through(row: dict[str, Any]) -> bool:
    return not row["behind"] and row["backfill"] is None


def verdict(numbers: dict[str, Any], endpoint: Endpoint, fake: FakeOpenMetadata) -> list[str]:
    """Return the promises that were not kept."""
    numbers["lost"] = numbers["events"] + _KNOWN - endpoint.told()
    numbers["out_of_order"] = endpoint.out_of_order()
    numbers["fake_openmetadata_edges"] = len(fake.edges)
    numbers["fake_openmetadata_runs"] = len(fake.statuses)
    checks = {
        "an event was lost": numbers["lost"] == 0,
        "an event overtook another of its table": numbers["out_of_order"] == 0,
        "something was refused": numbers["letters"] == 0,
        "the endpoint is not told at 10 times the arrival": numbers["openlineage_times_arrival"] >= 10,
        "OpenMetadata is not told at 10 times the arrival": numbers["fake_openmetadata_times_arrival"] >= 10,
        "memory grows": numbers["memory_mb_most"] - numbers["memory_mb_most_while_away"] <= _FLAT_MB,
        "a run is missing": numbers["fake_openmetadata_runs"] == len(
            {number // 2 for number in range(numbers["events"] + _KNOWN) if number // 2 % _RUNS_OF_A_DAG == 0}
        ),
        "an edge is missing": numbers["fake_openmetadata_edges"] == len(
            {(job % _TABLES, (job * 7 + side) % _TABLES) for job in range(_JOBS) for side in (0, 1)}
        ),
    }  # fmt: skip
    return [promise for promise, kept in checks.items() if not kept]


def slow(request: Request) -> None:
    """Take the time a live server takes."""
    time.sleep(_SLOWNESS.get(request.path.rpartition("/")[2], 0.0))


def lakehold(environment: dict[str, str], *arguments: str) -> None:
    """Run the command in an installation of the benchmark's own."""
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


def _reserved(server: FaultyServer) -> FaultyServer:
    """Choose the server's port, and refuse connections there."""
    server.start()
    server.stop()
    return server


def main() -> None:
    """Print the numbers as JSON, on one line; fail when a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.05, help="of an hour's load")
    count = round(parser.parse_args().share * 3600 * ARRIVAL / 2) * 2
    endpoint, fake = Endpoint(), FakeOpenMetadata()

    def answer(request: Request) -> Answer:
        slow(request)
        return fake(request)

    servers = {"openlineage": _reserved(FaultyServer(endpoint)), "openmetadata": _reserved(FaultyServer(answer))}
    for server in servers.values():
        server.keep = False
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        Path(folder).chmod(0o755)
        state, token = Path(folder) / "state", Path(folder) / "token"
        token.touch(0o600)
        token.write_text(TOKEN)
        environment = {
            **os.environ,
            "LAKEHOLD_STATE": str(state),
            "LAKEHOLD_OPENLINEAGE_URL": f"{servers['openlineage'].url}/api/v1/lineage",
            "LAKEHOLD_OPENMETADATA_URL": servers["openmetadata"].url,
            "LAKEHOLD_OPENMETADATA_TOKEN_FILE": str(token),
        }
        try:
            lakehold(environment, "up", "lineage")
            port = json.loads((state / "ports.json").read_text())["lineage"]
            headers = {"Authorization": f"Bearer {(state / 'secrets' / 'lineage.token').read_text().strip()}"}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
                numbers = measure(client, count, servers, Memory(service(port)))
        finally:
            lakehold(environment, "down")
            for server in servers.values():
                server.stop()
    broken = verdict(numbers, endpoint, fake)
    print(json.dumps(numbers))  # noqa: T201 - its output
    if broken:
        raise SystemExit("; ".join(broken))


if __name__ == "__main__":
    main()
