"""Run every benchmark and write `docs/reference/benchmarks.md`: what is promised, and what this machine measured.

python bench/report.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

BENCH = Path(__file__).resolve().parent
PAGE = BENCH.parent / "docs" / "reference" / "benchmarks.md"

Numbers = Mapping[str, Any]


def run(name: str, *arguments: str) -> Numbers:
    """Run one benchmark; its progress is shown, its result read."""
    sys.stderr.write(f"\n== bench/{name}.py\n")
    command = [sys.executable, str(BENCH / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: Numbers = json.loads(done.stdout)
    return result


def rows(stack: Numbers, airflow: Numbers, lineage: Numbers) -> list[tuple[str, str, str]]:
    """Return what was measured, the number, and what is promised."""
    rate, chain = airflow["tasks_a_minute"], airflow["chain_of_5_seconds"]
    better, shorter = airflow["tasks_a_minute_times_better"], airflow["chain_times_better"]
    return [
        ("First `lakehold up`, everything downloaded", f"{stack['first_up_seconds']} s", ""),
        ("Warm `lakehold up` until everything is healthy", f"{stack['warm_up_seconds']} s", "at most 60 s"),
        ("Memory of all processes, idle (PSS)", f"{stack['idle_pss_gb']} GB", ""),
        ("Memory of all processes, most during a day's run (PSS)", f"{stack['run_pss_gb']} GB", "at most 6 GB"),
        ("`flights_daily` for a day, end to end", f"{stack['day_run_seconds']} s", "at most 120 s"),
        ("dbt's models in Airflow ÷ bare `dbt build`", str(stack["dbt_models_in_airflow_vs_bare"]), "at most 1.3"),
        ("Airflow, 200 mapped tasks: tasks a minute", f"{rate['tuned']} (stock {rate['stock']})", ""),
        ("— times better than stock settings", str(better), "at least 2, aim 2.5"),
        ("Airflow, chain of 5 tasks", f"{chain['tuned']} s (stock {chain['stock']} s)", ""),
        ("— times shorter than with stock settings", str(shorter), "at least 3, aim 4"),
        *((f"Lineage service: {key.replace('_', ' ')}", str(value), "") for key, value in lineage.items()),
    ]


def page(table: list[tuple[str, str, str]], before: float) -> str:
    """Render the page."""
    memory = psutil.virtual_memory().total / 1e9
    lines = "\n".join(f"| {what} | {measured} | {promised} |" for what, measured, promised in table)
    return f"""# Benchmarks

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {memory:.0f} GB of memory, load
{before:.1f} before it began.
Absolute numbers depend on the machine and on what else it does; ratios were measured within one run and travel better.

| what | measured | promised |
| --- | --- | --- |
{lines}

How: `bench/stack.py` (start, memory, a day's run, dbt), `bench/airflow.py` (the same DAGs with our settings and with
Airflow's own, one after the other), `bench/lineage.py` (durable acknowledgements). Each explains itself with `--help`.
"""


def main() -> None:
    """Measure everything, then write the page."""
    before = os.getloadavg()[0]
    table = rows(run("stack"), run("airflow"), run("lineage"))
    PAGE.write_text(page(table, before), encoding="utf-8")
    sys.stderr.write(f"\nwrote {PAGE.relative_to(BENCH.parent)}\n")


if __name__ == "__main__":
    main()
