"""Measure the lineage service: durable acknowledgements a second and their latency, on loopback, for a bounded time.

    python bench/lineage.py [--senders 16] [--seconds 10] [--bytes 5000]

Starts PostgreSQL and the service as `lakehold up` does, in a state directory of its own that is removed afterwards.
Senders wait for each answer before they send the next event, as emitters do, so latency and rate limit each other.
While so many events arrive the graph stands back (`lakehold/lineage/graph/arrivals.py`): what is measured is receiving
them and the stage of runs, jobs and datasets. `bench/lineage_backlog.py` measures how the graph catches up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass
class Tally:
    """What the senders saw: seconds of every acknowledged event, and how many were refused."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0


def event(number_of_bytes: int, run: uuid.UUID, event_type: str) -> bytes:
    """Return an event as an engine sends it, of about this size: most of it is facets."""
    base = {
        "eventType": event_type,
        "eventTime": "2013-01-01T05:00:00.123456Z",
        "run": {"runId": str(run), "facets": {"processing_engine": {"name": "spark", "version": "4.1.4"}}},
        "job": {"namespace": "lakehold", "name": f"flights_daily.task_{run.int % 50}"},
        "inputs": [{"namespace": "lakehouse", "name": f"bronze.t{run.int % 40}"}],
        "outputs": [{"namespace": "lakehouse", "name": f"silver.t{run.int % 30}"}],
        "producer": "urn:lakehold:bench",
        "schemaURL": "urn:lakehold:bench",
    }
    fields: list[dict[str, str]] = []
    size = len(json.dumps(base))
    while size < number_of_bytes:
        column = {
            "name": f"column_{len(fields)}",
            "type": "decimal(12,2)",
            "description": uuid.uuid5(run, str(size)).hex,
        }
        fields.append(column)
        size += len(json.dumps(column)) + 2
    base["outputs"][0]["facets"] = {"schema": {"fields": fields}}  # type: ignore[index]  # json is not typed
    return json.dumps(base).encode()


async def sender(url: str, token: str, bodies: list[bytes], until: float, tally: Tally) -> None:
    """Post bodies one after another on one connection until the clock says so."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /api/v1/lineage HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
    for body in bodies:
        began = time.perf_counter()
        if began > until:
            break
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if answer.startswith(b"HTTP/1.1 201"):
            tally.seconds.append(time.perf_counter() - began)
        else:
            tally.refused += 1
            await reader.readexactly(_length(answer))
    else:
        raise SystemExit("the senders ran out of events: the rate shown would be wrong; raise _MOST_EVENTS")
    writer.close()


def _length(answer: bytes) -> int:
    for line in answer.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


_MOST_EVENTS = 6000
"""A second; made beforehand, so that making them costs the measurement nothing."""


async def measure(url: str, token: str, senders: int, seconds: float, size: int) -> Tally:
    """Run the senders; the events are made first."""
    each = int(_MOST_EVENTS * seconds / senders)
    template = event(size, uuid.uuid4(), "START")
    old = json.loads(template)["run"]["runId"].encode()
    batches = [[template.replace(old, str(uuid.uuid4()).encode()) for _ in range(each)] for _ in range(senders)]
    tally = Tally()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(sender(url, token, bodies, until, tally) for bodies in batches))
    return tally


def report(tally: Tally, senders: int, seconds: float, size: int) -> dict[str, float | int]:
    """Return the numbers, latencies in milliseconds."""
    ordered = sorted(tally.seconds)

    def percentile(share: float) -> float:
        return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)

    return {
        "senders": senders,
        "event_bytes": size,
        "events_per_second": round(len(ordered) / seconds),
        "refused": tally.refused,
        "p50_ms": percentile(0.5),
        "p99_ms": percentile(0.99),
        "worst_ms": percentile(1.0),
    }


def lakehold(environment: dict[str, str], *arguments: str) -> None:
    """Run the command in an installation of the benchmark's own."""
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print the numbers as JSON, on one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--senders", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--bytes", type=int, default=5000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        environment = {**os.environ, "LAKEHOLD_STATE": str(state)}
        try:
            lakehold(environment, "up", "lineage")
            port = json.loads((state / "ports.json").read_text())["lineage"]
            token = (state / "secrets" / "lineage.token").read_text().strip()
            tally = asyncio.run(
                measure(f"http://127.0.0.1:{port}", token, chosen.senders, chosen.seconds, chosen.bytes)
            )
        finally:
            lakehold(environment, "down")
    print(json.dumps(report(tally, chosen.senders, chosen.seconds, chosen.bytes)))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
