"""Kill the lineage service, its graph or PostgreSQL at random moments, and look for every acknowledged event.

    python bench/lineage_kills.py [--kills 50] [--seed 5]

Starts PostgreSQL and the service as `lakehold up` does, in a state directory of its own that is removed afterwards; its
supervisor starts again what was killed. `--kills` counts those of the service and of PostgreSQL; the graph's process, a
child of the service, is killed besides. Eight senders send as fast as they are answered, and try again what was not.
After each kill (always -9) they have to get on before the next. Promised: every acknowledged event is there once, and
the graph behind comes to say what the events do.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH), str(BENCH.parent / "tests" / "harness")]

from lineage_graph import installation  # noqa: E402 - found by the line above
from lineage_senders import Senders, check_all_there, check_graph  # noqa: E402 - found by the line above
from listening import listener  # noqa: E402 - found by the line above

_SENDERS = 8
_LONGEST_WAIT = 2.0
"""Seconds between what the senders have to get done and the next kill, at most."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The installation under fire."""

    ports: dict[str, int]
    token: str

    def client(self) -> httpx.Client:
        """Return a client for one thread."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['lineage']}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=3,
            trust_env=False,
        )

    def victim(self, kind: str) -> psutil.Process | None:
        """Return the process of this kind; None while there is none."""
        found = listener(self.ports["postgres" if kind == "postgres" else "lineage"])
        return next(iter(found.children()), None) if found and kind == "graph" else found


def kill(running: Running, senders: Senders, chance: random.Random) -> str:
    """Let the senders get on, and some more time pass; kill one, and return what it was."""
    senders.progress()
    time.sleep(chance.uniform(0, _LONGEST_WAIT))
    kind = chance.choice(("service", "graph", "postgres"))
    while not (process := running.victim(kind)):
        time.sleep(0.05)
    process.kill()
    return kind


def measure(running: Running, database: str, kills: int, chance: random.Random) -> dict[str, object]:
    """Kill both so many times; the numbers, or AssertionError when something is missing, twice or different."""
    senders = Senders(running, _SENDERS)
    try:
        killed: Counter[str] = Counter()
        while killed["service"] + killed["postgres"] < kills:
            killed[kill(running, senders, chance)] += 1
        senders.progress()
    finally:
        senders.stop()
    began = time.monotonic()
    stored = check_all_there(database, senders.acknowledged)
    with running.client() as client:
        check_graph(client, database)
    return {
        "kills": dict(sorted(killed.items())),
        "acknowledged": len(senders.acknowledged),
        "there_once": stored,
        "graph_behind_seconds": round(time.monotonic() - began, 1),
    }


def main() -> int:
    """Print the numbers as JSON; an error when an event is missing or twice, or the graph says another thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5, help="of the moments and of who is killed")
    chosen = parser.parse_args()
    with installation() as (ports, secrets):
        database = f"host=127.0.0.1 port={ports['postgres']} dbname=lineage user=postgres"
        database += f" password={secrets['postgres.superuser']}"
        running = Running(ports=ports, token=secrets["lineage.token"])
        result = measure(running, database, chosen.kills, random.Random(chosen.seed))  # noqa: S311 - moments
    result["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(result, indent=2))  # noqa: T201 - its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
