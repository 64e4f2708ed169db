"""Run every benchmark and write `docs/reference/benchmarks.md`: what is promised, and what this machine measured.

python bench/report.py [--keep FOLDER]
"""

from __future__ import annotations

import argparse
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

PARTS = (
    "stack",
    "cluster",
    "airflow",
    "publishing",
    "rest_writers",
    "gates",
    "maintenance",
    "lineage",
    "lineage_kills",
    "lineage_graph",
    "lineage_backlog",
    "lineage_sinks",
    "lineage_outage",
    "lineage_malformed",
)
Numbers = Mapping[str, Any]


def run(name: str, keep: Path | None) -> Numbers:
    """Run one benchmark, or read what `keep` has of it; its progress is shown, its result read."""
    kept = keep / f"{name}.json" if keep else None
    if kept and kept.exists():
        sys.stderr.write(f"\n== bench/{name}.py: kept in {kept}\n")
        measured = kept.read_text(encoding="utf-8")
    else:
        sys.stderr.write(f"\n== bench/{name}.py\n")
        measured = _output([sys.executable, str(BENCH / f"{name}.py")])
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(measured, encoding="utf-8")
    result: Numbers = json.loads(measured)
    return result


def _output(command: list[str]) -> str:
    """Run a command that ends what it started when it is interrupted, which takes it longer than `run` would wait."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            process.wait()
            raise
    if process.returncode:
        # What it measured says which promise was broken.
        sys.stderr.write(output)
        raise subprocess.CalledProcessError(process.returncode, command)
    return output


Row = tuple[str, str, str]
"""What was measured, the number, and what is promised."""


def platform_rows(stack: Numbers, airflow: Numbers) -> list[Row]:
    """Start, memory, a day's run, and Airflow."""
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
    ]


def cluster_rows(stack: Numbers, cluster: Numbers) -> list[Row]:
    """The same platform on one machine and on a cluster of one node."""
    return [
        (
            "From `helm install` until every pod is ready; one machine: warm `lakehold up`",
            f"{cluster['install_seconds']} s; {stack['warm_up_seconds']} s",
            "",
        ),
        (
            "Memory at rest: working set of all pods; one machine: PSS of all processes",
            f"{cluster['idle_working_set_gb']} GB; {stack['idle_pss_gb']} GB",
            "what the pods ask for",
        ),
        (
            "`flights_daily` for a day, the first after the start, each task a pod; one machine",
            f"{cluster['first_day_seconds']} s; {stack['day_run_seconds']} s",
            "",
        ),
        ("`flights_daily` for a month in one run", f"{cluster['month_seconds']} s", ""),
    ]


def publishing_rows(publishing: Numbers, rest: Numbers, gates: Numbers) -> list[Row]:
    """Gates, publications on either kind of catalog, and what readers saw meanwhile."""
    timing, racing, reading = publishing["timing"], publishing["racing"], publishing["reading"]
    many = next(name for name in timing if name.startswith("20 tables of "))
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(reading["fates"].items()))
    mixed = f"{reading['joint_answers_that_mixed_runs']} of {reading['joint_answers']}"
    refused = racing["refused_with_the_faster_run_named"]
    return [
        (
            f"A gate of {gates['rules']} rules on {gates['rows']:,} rows ÷ one query by hand",
            str(gates["ours_vs_by_hand"]),
            "at most 1.3",
        ),
        ("— Great Expectations by itself ÷ the same query", str(gates["stock_vs_by_hand"]), ""),
        *(
            (
                f"Publishing {size} (as a program of its own, with Python's start)",
                f"{timing[size]['seconds']} s ({timing[size]['as_a_program']} s)",
                "the first under 1 s" if size.startswith("20 ") else "",
            )
            for size in ("1 tables", "20 tables", many, "80 tables")
        ),
        (
            f"Two writers racing, {racing['rounds_each']} rounds each",
            f"{racing['published']} published, {refused} refused by name",
            "no row lost or twice",
        ),
        *(
            (
                f"— on a REST catalog, by publishers of {how}",
                f"{rest[lock]['published']} published, {rest[lock]['refused']} refused by name",
                "no row lost or twice",
            )
            for lock, how in (("locked", "one installation"), ("unlocked", "two"))
        ),
        (
            f"{reading['runs']} publishing runs under a reader's eyes ({fates})",
            f"{len(reading['violations'])} wrong answers or errors",
            "none",
        ),
        ("— answers by a run's tag, each of one run only", str(reading["answers_by_tag"]), "all"),
        ("— answers without a tag that joined two runs", mixed, "measured, not promised"),
    ]


def maintenance_rows(worn: Numbers) -> list[Row]:
    """A worn table before and after."""
    before, after = worn["before"], worn["after"]
    return [
        (
            f"Files after {worn['commits']} commits and {worn['deletes']} deletes",
            f"{worn['files_before']} → {worn['files_after']}",
            "",
        ),
        (
            "Planning ÷ that of a table freshly written",
            f"{before['planning_ratio']} → {after['planning_ratio']}",
            "at most 1.1",
        ),
        ("A scan ÷ that of a table freshly written", f"{before['scan_ratio']} → {after['scan_ratio']}", "at most 1.1"),
        ("Time of `lakehold tables maintain`", f"{worn['maintain_seconds']} s", ""),
    ]


def lineage_rows(lineage: Numbers, kills: Numbers) -> list[Row]:
    """Durable acknowledgements, also when processes are killed."""
    promised = {"events_per_second": "at least 2,000", "refused": "none", "p99_ms": "under 50"}
    killed = ", ".join(f"{kind} {count} times" for kind, count in kills["kills"].items())
    return [
        *((name.replace("_", " "), str(value), promised.get(name, "")) for name, value in lineage.items()),
        (
            f"`kill -9` at random moments: {killed}",
            f"{kills['acknowledged']:,} events acknowledged, {kills['there_once']:,} there once",
            "each that was acknowledged is there once",
        ),
    ]


def graph_rows(graph: Numbers, backlog: Numbers, sinks: Numbers) -> list[Row]:
    """Questions to a large graph, and how what arrives gets into it and on to others."""
    shown = graph["show"]
    hour = f"{sinks['events']:,} events, {sinks['megabytes']:,} MB"
    return [
        *(
            (
                f"`show` at depth 3 in {graph['edges']:,} edges: {kind}",
                f"p50 {numbers['p50_ms']} ms, p99 {numbers['p99_ms']} ms",
                f"under {graph['promised_ms']} ms",
            )
            for kind, numbers in shown.items()
        ),
        (
            f"Worked into the graph: events a second, of {backlog['arrival_per_second']} that arrive at full load",
            f"{backlog['worked_in_per_second']} ({backlog['times_arrival']} times)",
            "at least as many",
        ),
        (
            f"Sinks that were away ({hour}): told, an OpenLineage endpoint",
            f"{sinks['openlineage_times_arrival']} times as fast as it arrives",
            "at least 10",
        ),
        (
            "— and a fake OpenMetadata, as slow as a live 1.2",
            f"{sinks['fake_openmetadata_times_arrival']} times",
            "at least 10",
        ),
        (
            "— lost, out of order",
            f"{sinks['lost']}, {sinks['out_of_order']}",
            "none",
        ),
        (
            "— memory of the service: before, while they are away, in all",
            ", ".join(f"{sinks[f'memory_mb_{when}']} MB" for when in ("before", "most_while_away", "most")),
            "flat",
        ),
    ]


def emitter_rows(outage: Numbers, malformed: Numbers) -> list[Row]:
    """What an outage of the lineage service costs, and what malformed events do to it."""
    longer = outage["longer_seconds"]
    names = {"airflow": "An Airflow task", "trino": "A Trino statement", "spark": "A Spark job", "dbt": "dbt's models"}
    answers = ", ".join(f"{count:,} times {status}" for status, count in malformed["answers"].items())
    return [
        *(
            (
                f"{name}: longer with the service down, refusing, hanging",
                ", ".join(f"{longer[kind][task]} s" for kind in ("down", "refuses", "hangs")),
                "at most 2 s",
            )
            for task, name in names.items()
        ),
        (
            "Runs told of when the service is back: Spark, Trino",
            ", ".join(f"{outage['runs_told_of'][kind]} of {outage['runs']}" for kind in ("spark", "trino")),
            "",
        ),
        (f"{malformed['bodies']:,} malformed bodies", answers, "the service answers each and goes on"),
    ]


def table(title: str, rows: list[Row]) -> str:
    """Render one section."""
    lines = "\n".join(f"| {what} | {measured} | {promised} |" for what, measured, promised in rows)
    return f"## {title}\n\n| what | measured | promised |\n| --- | --- | --- |\n{lines}\n"


def page(sections: Mapping[str, list[Row]], before: float, kept: list[str]) -> str:
    """Render the page."""
    memory = psutil.virtual_memory().total / 1e9
    earlier = f"\nMeasured in earlier runs, at loads of their own: {', '.join(kept)}." if kept else ""
    tables = "\n".join(table(title, rows) for title, rows in sections.items())
    return f"""# Benchmarks

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {memory:.0f} GB of memory, load
{before:.1f} before it began.{earlier}
Absolute numbers depend on the machine and on what else it does; ratios were measured within one run and travel better.

{tables}
How: `bench/stack.py` (start, memory, a day's run, dbt), `bench/airflow.py` (the same DAGs with our settings and with
Airflow's own, one after the other), `bench/cluster.py` (as root: [a real cluster](../how-to/test-the-chart.md)),
`bench/gates.py`, `bench/publishing.py`, `bench/rest_writers.py`, `bench/maintenance.py` and those of lineage:
`bench/lineage.py`, `bench/lineage_kills.py`, `bench/lineage_graph.py`, `bench/lineage_backlog.py`,
`bench/lineage_sinks.py`, `bench/lineage_outage.py` and `bench/lineage_malformed.py`. Each explains itself with
`--help`; all but those of the platform, Airflow and the lineage service's speed fail when a promise is broken, and
then this page is not written.
"""


def main() -> None:
    """Measure everything, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="keep each benchmark's result here; a next run goes on with the rest")
    keep = parser.parse_args().keep
    before = os.getloadavg()[0]
    kept = [name for name in PARTS if keep and (keep / f"{name}.json").exists()]
    numbers = {name: run(name, keep) for name in PARTS}
    sections = {
        "The platform": platform_rows(numbers["stack"], numbers["airflow"]),
        "On a cluster, profile `trial`": cluster_rows(numbers["stack"], numbers["cluster"]),
        "Audit before publish": publishing_rows(numbers["publishing"], numbers["rest_writers"], numbers["gates"]),
        "Maintenance": maintenance_rows(numbers["maintenance"]),
        "Lineage service": lineage_rows(numbers["lineage"], numbers["lineage_kills"]),
        "Lineage's graph": graph_rows(numbers["lineage_graph"], numbers["lineage_backlog"], numbers["lineage_sinks"]),
        "Lineage's emitters": emitter_rows(numbers["lineage_outage"], numbers["lineage_malformed"]),
    }
    PAGE.write_text(page(sections, before, kept), encoding="utf-8")
    sys.stderr.write(f"\nwrote {PAGE.relative_to(BENCH.parent)}\n")


if __name__ == "__main__":
    main()
