"""Send a hundred thousand malformed bodies to the lineage service: it answers each, keeps it aside, and goes on.

    python bench/lineage_malformed.py [--bodies 100000] [--senders 4]

Starts PostgreSQL and the service in a folder of its own that is removed afterwards. The bodies are events of
OpenLineage and of Trino with something wrong, batches of such, and plain noise (tests/harness/malformed.py), the same
each time. Good events are sent in between. The result is printed as JSON; ends with exit code 1 when an answer was not
one of the documented ones, when the service has ended, or when a good event is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests" / "harness"))

import malformed  # noqa: E402 - the tests' own, found by the line before
from listening import service  # noqa: E402 - beside this file

ANSWERS = {201, 204, 207, 400}
GOOD_EVERY = 500
MAKERS = {"lineage": malformed.openlineage, "trino": malformed.trino, "lineage/batch": malformed.batch}


def lakehold(state: Path, *arguments: str) -> None:
    """Run a verb; its progress goes to standard error."""
    environment = {**os.environ, "LAKEHOLD_STATE": str(state)}
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=sys.stderr, check=True)


def good(run: uuid.UUID) -> dict[str, Any]:
    """Return an event there is nothing wrong with."""
    return {
        "eventType": "COMPLETE",
        "eventTime": "2013-01-01T05:00:00.000Z",
        "run": {"runId": str(run)},
        "job": {"namespace": "lakehold", "name": "good"},
        "producer": "urn:test",
        "schemaURL": "urn:test",
    }


def send(client: httpx.Client, seed: int, bodies: int) -> tuple[Counter[int], list[uuid.UUID]]:
    """Send this many bodies; returns how often each status was answered, and the runs of the good events."""
    choose = random.Random(seed)  # noqa: S311 - the same bodies each time
    statuses: Counter[int] = Counter()
    runs = []
    for number in range(bodies):
        path, make = choose.choice(list(MAKERS.items()))
        statuses[client.post(f"/api/v1/{path}", content=make(choose)).status_code] += 1
        if number % GOOD_EVERY == 0:
            runs.append(uuid.UUID(int=choose.getrandbits(128)))
            client.post("/api/v1/lineage", json=good(runs[-1])).raise_for_status()
    return statuses, runs


def measure(state: Path, bodies: int, senders: int) -> dict[str, Any]:
    """Send, then look at what is there."""
    lakehold(state, "up", "lineage")
    port = json.loads((state / "ports.json").read_text())["lineage"]
    headers = {"Authorization": f"Bearer {(state / 'secrets' / 'lineage.token').read_text().strip()}"}
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        server = service(port)
        before, began = server.memory_info().rss, time.monotonic()
        with ThreadPoolExecutor(senders) as pool:
            done = list(pool.map(lambda seed: send(client, seed, -(-bodies // senders)), range(senders)))
        seconds = time.monotonic() - began
        statuses = sum((counts for counts, _ in done), Counter[int]())
        missing = [run for _, runs in done for run in runs if not client.get(f"/api/v1/runs?run={run}").json()["runs"]]
        return {
            "bodies": statuses.total(),
            "seconds": round(seconds, 1),
            "answers": dict(sorted(statuses.items())),
            "not_documented": sum(count for status, count in statuses.items() if status not in ANSWERS),
            "good_events": sum(len(runs) for _, runs in done),
            "good_events_missing": len(missing),
            "the_same_process": server.is_running() and client.get("/health").status_code == 200,
            "rss_mb_before": round(before / 1e6),
            "rss_mb_after": round(server.memory_info().rss / 1e6),
        }


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--senders", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        try:
            result = measure(state, chosen.bodies, chosen.senders)
        finally:
            lakehold(state, "down")
    print(json.dumps(result, indent=2))  # noqa: T201 - its output
    if result["not_documented"] or result["good_events_missing"] or not result["the_same_process"]:
        raise SystemExit("the service did not keep its promises")


if __name__ == "__main__":
    main()
