"""Measure how long `lakehold lineage show` waits for the graph: depth 3, in a graph of ten million edges.

    python bench/lineage_graph.py [--edges 10000000] [--asks 200]

Starts PostgreSQL and the service as `lakehold up` does, in a state directory of its own that is removed afterwards, and
fills the graph with tables in layers, as a large warehouse has after two years: each table of a layer is made of two of
the layer before, most edges are history, and one table is read by every tenth other. Then asks the service for columns
and tables drawn at random, as the command does for its tree, by HTTP, and fails when an answer takes longer than is
promised. How long a whole answer takes, as `--lines` asks for it, is shown as well; of the table that every tenth reads
it has as many edges as an answer may have, and is promised to nobody.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg import sql

CHECKOUT = Path(__file__).resolve().parents[1]
PROMISED_MS = 200
_FAN = {"fan": "25"}
"""As the command asks for its tree: so many tables next to each."""

_LAYERS = 8
_COLUMNS = 25
_EDGES_EACH = 500
"""Of a table that is made of others, in all of its history."""
_VALID_EACH = 36
"""Those of them that are valid now."""

# Table t of layer l has number l * width + t + 1; its columns follow each other, the table as a whole first.
_NODES = """
INSERT INTO node (node_id, namespace, name, kind, first_seen, last_seen) OVERRIDING SYSTEM VALUE
SELECT n, 'lakehouse', format('layer%s.t%s', (n - 1) / {width}, (n - 1) % {width}), 'table',
       now() - interval '730 days', now()
FROM generate_series(1, {tables}) AS n
"""
_FIELDS = """
INSERT INTO field (field_id, node_id, name, type, position, first_seen) OVERRIDING SYSTEM VALUE
SELECT (n - 1) * {row} + c + 1, n, CASE c WHEN 0 THEN '' ELSE 'c' || c END, 'bigint', nullif(c, 0),
       now() - interval '730 days'
FROM generate_series(1, {tables}) AS n, generate_series(0, {row} - 1) AS c ORDER BY n, c
"""
_PROCESSES = """
INSERT INTO process (process_id, namespace, name, kind, first_seen, last_seen) OVERRIDING SYSTEM VALUE
SELECT n, 'lakehold', 'dbt:t' || n, 'model', now() - interval '730 days', now() FROM generate_series(1, {tables}) AS n
"""
_EDGES = """
INSERT INTO edge (source_node, source_field, target_node, target_field, process_id, direct, how, believed, first_seen,
                  last_seen, ended_at, first_run, last_run)
SELECT s.node, (s.node - 1) * {row} + e.source + 1, t.n, (t.n - 1) * {row} + e.target + 1, t.n,
       e.how NOT IN ('JOIN', 'FILTER'), e.how, 'sql', b.began,
       coalesce(b.began + e.lasted, now()), b.began + e.lasted, gen_random_uuid(), gen_random_uuid()
FROM generate_series({low}, {high}) AS t (n), generate_series({first}, {last}) AS k
CROSS JOIN LATERAL (SELECT (t.n - 1) / {width} * {width} - {width}) AS before (layer)
CROSS JOIN LATERAL (SELECT
    CASE WHEN t.n % 10 = 0 AND k % 2 = 0 THEN 1
         ELSE before.layer + (t.n * 7919 + k % 2 * 104729) % {width} + 1 END) AS s (node)
CROSS JOIN LATERAL (SELECT
    CASE WHEN k < 2 THEN 0 ELSE k * 7 % {columns} + 1 END,
    CASE WHEN k < 2 OR k BETWEEN 32 AND 35 THEN 0 ELSE k % {columns} + 1 END,
    CASE WHEN k < 2 THEN '' WHEN k BETWEEN 32 AND 35 THEN (ARRAY['JOIN', 'FILTER'])[k % 2 + 1]
         WHEN k < 27 THEN 'IDENTITY' ELSE 'TRANSFORMATION' END,
    CASE WHEN k >= 36 THEN make_interval(days => 1 + k % 20) END) AS e (source, target, how, lasted)
CROSS JOIN LATERAL (SELECT now() - make_interval(days => CASE WHEN k < 36 THEN 30 ELSE 50 + k END)) AS b (began)
ORDER BY t.n, k
"""


def lakehold(environment: dict[str, str], *arguments: str) -> None:
    """Run the command in an installation of the benchmark's own."""
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def installation() -> Iterator[tuple[dict[str, int], dict[str, str]]]:
    """Yield ports and secrets of a lineage service with its PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        environment = {**os.environ, "LAKEHOLD_STATE": str(state)}
        try:
            lakehold(environment, "up", "lineage")
            ports = json.loads((state / "ports.json").read_text())
            secrets = {file.name: file.read_text().strip() for file in (state / "secrets").iterdir()}
            yield ports, secrets
        finally:
            lakehold(environment, "down")


def _with(statement: LiteralString, values: Mapping[str, int]) -> sql.Composed:
    return sql.SQL(statement).format(**values)


def fill(connection: psycopg.Connection, edges: int) -> dict[str, int]:
    """Fill the graph; indexes and references are checked afterwards, in one go."""
    width = max(edges // _EDGES_EACH // (_LAYERS - 1), 20)
    values = {"width": width, "tables": width * _LAYERS, "row": _COLUMNS + 1, "columns": _COLUMNS}
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'edge' AND indexname <> 'edge_pkey'"
    ).fetchall()
    with connection.transaction():
        connection.execute("ALTER TABLE edge DISABLE TRIGGER ALL")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        for statement in (_NODES, _FIELDS, _PROCESSES):
            connection.execute(_with(statement, values))
        # In the order of time, as runs write them: those that one run makes of a table follow each other.
        days = [(0, _VALID_EACH - 1), *((k, k) for k in range(_VALID_EACH, _EDGES_EACH))]
        for first, last in reversed(days):
            of_a_day = {**values, "low": width + 1, "high": width * _LAYERS, "first": first, "last": last}
            connection.execute(_with(_EDGES, of_a_day))
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("ALTER TABLE edge ENABLE TRIGGER ALL")
    connection.execute("VACUUM ANALYZE")
    counted = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL), pg_total_relation_size('edge') FROM edge"
    ).fetchall()
    ((total, valid, size),) = counted
    return {"edges": total, "valid": valid, "bytes": size, "tables": values["tables"], "width": width}


def asks(width: int, count: int) -> dict[str, list[dict[str, str]]]:
    """Return what is asked, by kind; the same each time."""
    choose = random.Random(5)  # noqa: S311 - the same questions each time

    def table(low: int, high: int) -> str:
        return f"layer{choose.randint(low, high)}.t{choose.randrange(width)}"

    def column(low: int, high: int) -> str:
        return f"{table(low, high)}.c{choose.randint(1, _COLUMNS)}"

    past = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 300 * 86400))
    return {
        "column, up": [{"of": column(3, 7), "direction": "up"} for _ in range(count)],
        "column, down": [{"of": column(0, 4), "direction": "down"} for _ in range(count)],
        "column, both": [{"of": column(2, 5), "direction": "both"} for _ in range(count)],
        "column, 300 days ago": [{"of": column(2, 5), "direction": "both", "at": past} for _ in range(count)],
        "table, up": [{"of": table(3, 7), "direction": "up"} for _ in range(count)],
        "table, both": [{"of": table(2, 5), "direction": "both"} for _ in range(count)],
        "the table that every tenth reads": [{"of": "layer0.t0", "direction": "down"}] * max(count // 10, 1),
    }


def measure(client: httpx.Client, questions: list[dict[str, str]], fan: Mapping[str, str]) -> dict[str, Any]:
    """Ask one after the other and return the milliseconds until an answer is there, and how large they were."""
    taken: list[float] = []
    found: list[int] = []
    for question in questions:
        began = time.perf_counter()
        answer = client.get("/api/v1/graph", params={"depth": "3", "limit": "10000", **fan, **question})
        taken.append(1000 * (time.perf_counter() - began))
        if answer.status_code != 200:
            raise SystemExit(f"{question}: {answer.status_code} {answer.text}")
        found.append(len(answer.json()["edges"]))
    taken.sort()
    return {
        "p50_ms": round(taken[len(taken) // 2], 1),
        "p99_ms": round(taken[math.ceil(0.99 * len(taken)) - 1], 1),
        "worst_ms": round(taken[-1], 1),
        "edges": round(sum(found) / len(found)),
    }


def main() -> int:
    """Print the numbers as JSON; 1 when an answer took longer than promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--asks", type=int, default=200)
    chosen = parser.parse_args()
    with installation() as (ports, secrets):
        info = f"host=127.0.0.1 port={ports['postgres']} dbname=lineage user=postgres"
        began = time.monotonic()
        with psycopg.connect(info, password=secrets["postgres.superuser"], autocommit=True) as connection:
            size = fill(connection, chosen.edges)
        result: dict[str, Any] = {**size, "filled_seconds": round(time.monotonic() - began)}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{ports['lineage']}",
            headers={"Authorization": f"Bearer {secrets['lineage.token']}"},
            timeout=60,
            trust_env=False,
        ) as client:
            asked = asks(size["width"], chosen.asks).items()
            result["show"] = {kind: measure(client, some, _FAN) for kind, some in asked}
            result["show_whole"] = {kind: measure(client, some, {}) for kind, some in asked}
    slow = [kind for kind, numbers in result["show"].items() if numbers["p99_ms"] >= PROMISED_MS]
    result |= {"load": round(os.getloadavg()[0], 1), "promised_ms": PROMISED_MS, "slower": slow}
    print(json.dumps(result, indent=2))  # noqa: T201 - its output
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
