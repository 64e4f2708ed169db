"""The service makes the graph in a process of its own, which may be killed at any moment."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from told_events import Derived, spark_table, spark_write, task

pytestmark = pytest.mark.component

WRITE = spark_table("silver.flights", columns={"origin": ["bronze.flights.origin"]})
EXPECTED = [
    "bronze.flights -> silver.flights by flights_daily.join",
    "bronze.flights.origin -> silver.flights.origin IDENTITY by flights_daily.join",
]


def workers(service: Any) -> list[int]:
    """Return the ids of the service's children that make the graph."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and f"PPid:\t{service.process.pid}\n" in (folder / "status").read_text():
                found += [int(folder.name)] * (b"lineage.graph.worker" in (folder / "cmdline").read_bytes())
    return found


def until(wanted: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := wanted()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def a_write(number: int) -> list[dict[str, Any]]:
    run, minute = f"task-{number}", number * 100
    sides: dict[str, Any] = {"inputs": [spark_table("bronze.flights")], "output": WRITE}
    return [
        *task("join", run, minute),
        *spark_write("app", f"sql-{number}", minute + 1, parent=run, **sides),
    ]


def test_events_become_edges_also_when_the_worker_is_killed(service: Any, database: str) -> None:
    derived = Derived(database)
    with service.client() as client:
        for number in range(3):
            assert client.post("/api/v1/lineage/batch", json=a_write(number)).status_code == 201
            (worker,) = until(lambda: workers(service))
            os.kill(worker, signal.SIGKILL)
            until(lambda: worker not in workers(service))  # noqa: B023 - asked before the next one is there
        until(lambda: derived.edges() == EXPECTED)
        until(lambda: not derived.rows("SELECT 1 FROM due UNION ALL SELECT 1 FROM due_pair"))
        runs = derived.rows("SELECT DISTINCT process_run FROM run WHERE process_run IS NOT NULL")
        assert len(runs) == 3


def test_the_worker_ends_with_its_service(service: Any, new_service: Callable[[], Any], database: str) -> None:
    (worker,) = until(lambda: workers(service))
    service.kill()
    until(lambda: not _is_there(worker))
    again = new_service()
    again.start()
    (worker,) = until(lambda: workers(again))
    again.stop()
    assert not _is_there(worker)
    with psycopg.connect(database) as connection:
        connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lakehold-lineage%'"
        assert until(lambda: connection.execute(connected).fetchone() == (0,))


def _is_there(pid: int) -> bool:
    """Say whether a process runs; one that has ended may be on record until its new parent looks."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
