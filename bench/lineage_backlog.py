"""Measure how fast the graph works in what was received.

    python bench/lineage_backlog.py [--share 0.05]

Sends an hour of full load, scaled by `--share`, as fast as the service takes it (`bench/lineage_sinks.py` says what
full load is, and makes the events: 12.6 kB each, tables of 20 columns and more), then waits until every stage has
worked it in and no run is due. Then has every run derived again, as a change of names or columns does. Promised: what
arrives at full load is worked in faster than it arrives.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lineage_graph import installation
from lineage_sinks import ARRIVAL, EVENT_BYTES, send

_MOST_SECONDS = 3600


def worked_in(client: httpx.Client) -> float:
    """Wait until nothing is behind nor due; return the seconds."""
    began = time.monotonic()
    while any(row["behind"] or row["due"] for row in client.get("/api/v1/stages").raise_for_status().json()["stages"]):
        if time.monotonic() - began > _MOST_SECONDS:
            raise SystemExit("it is not worked in after an hour")
        time.sleep(0.2)
    return time.monotonic() - began


def measure(client: httpx.Client, database: str, count: int) -> dict[str, Any]:
    """Send, wait, and have everything derived again."""
    received = send(client, 0, count)
    waited = worked_in(client)
    with psycopg.connect(database, autocommit=True) as connection:
        queued = (
            "INSERT INTO due (run_id, at) SELECT run_id, first_seen FROM run WHERE NOT sealed ON CONFLICT DO NOTHING"
        )
        runs = connection.execute(queued).rowcount
        again = worked_in(client)
    a_second = count / (received + waited)
    return {
        "events": count,
        "megabytes": round(count * EVENT_BYTES / 2**20),
        "received_seconds": round(received, 1),
        "worked_in_seconds": round(received + waited, 1),
        "worked_in_per_second": round(a_second, 1),
        "arrival_per_second": round(ARRIVAL, 1),
        "times_arrival": round(a_second / ARRIVAL, 2),
        "minutes_for_an_hour": round(60 * ARRIVAL / a_second, 1),
        "runs_derived_again_per_second": round(runs / again, 1),
    }


def main() -> int:
    """Print the numbers as JSON; 1 when the graph is slower than what arrives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.05, help="of an hour's load")
    count = round(parser.parse_args().share * 3600 * ARRIVAL / 2) * 2
    with installation() as (ports, secrets):
        password = secrets["postgres.superuser"]
        database = f"host=127.0.0.1 port={ports['postgres']} dbname=lineage user=postgres password={password}"
        with httpx.Client(
            base_url=f"http://127.0.0.1:{ports['lineage']}",
            headers={"Authorization": f"Bearer {secrets['lineage.token']}"},
            timeout=60,
            trust_env=False,
        ) as client:
            result = measure(client, database, count)
    result["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(result, indent=2))  # noqa: T201 - its output
    return 0 if result["times_arrival"] >= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
