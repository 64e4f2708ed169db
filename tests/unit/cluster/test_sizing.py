"""The sizing guide's arithmetic, and that its page says what it computes."""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
from lakehold.cluster import sizing
from lakehold.cluster.sizing import (
    FACTS,
    LARGE,
    MIDDLE,
    SMALL,
    Load,
    Need,
    Node,
    events_gb,
    needs,
    running,
    total,
    workers,
)
from lakehold.components.registry import COMPONENTS

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = DOCS / "how-to" / "size-a-cluster.md"


def of(what: str, found: list[Need]) -> Need:
    (one,) = [need for need in found if need.what == what]
    return one


def filled(page: str) -> str:
    """The page with its tables as they are computed."""
    for name, table in sizing.tables().items():
        page = re.sub(
            rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", lambda found, text=table: f"{found[1]}{text}\n{found[2]}",
            page, flags=re.DOTALL,
        )  # fmt: skip
    return page


def test_the_page_says_what_is_computed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- table: {name} -->" in page for name in sizing.tables())
    assert page == filled(page)


def test_tasks_at_once_are_those_that_came_while_one_runs() -> None:
    assert running(Load(name="", dags=1, tasks_a_minute=60, task_seconds=30)) == 30
    assert running(Load(name="", dags=1, tasks_a_minute=0.1, task_seconds=1)) == 1


def test_there_are_two_of_everything_however_small_the_load() -> None:
    found = needs(replace(SMALL, tasks_a_minute=1, events_a_second=0.1))
    several = [one.pods for one in found if one.what not in ("tasks", "Spark executors", "Trino coordinator")]
    assert several == [2] * 6


def test_twice_the_tasks_need_twice_the_cores_for_them() -> None:
    twice = replace(MIDDLE, tasks_a_minute=2 * MIDDLE.tasks_a_minute)
    assert of("tasks", needs(twice)).cores == pytest.approx(2 * of("tasks", needs(MIDDLE)).cores)


def test_a_pod_for_each_task_keeps_schedulers_busy_besides() -> None:
    """1,000 tasks a minute: three could start their processes."""
    assert ceil(LARGE.tasks_a_minute / FACTS["scheduler"].value) == 3
    assert of("scheduler", needs(LARGE, Node(heap=48, cores=16))).pods == 4


def test_more_queries_need_more_nodes_until_memory_is_short() -> None:
    assert workers(replace(MIDDLE, queries=11), Node()) > 2
    with pytest.raises(ValueError, match=r"20 queries of 0\.5 GB need a heap of 10\.4 GB on each node, not 6 GB"):
        workers(replace(MIDDLE, queries=20), Node())


def test_more_events_than_one_process_is_planned_with_need_another() -> None:
    planned = FACTS["lineage"].value * FACTS["lineage_share"].value
    assert of("lineage", needs(replace(SMALL, events_a_second=planned * 2))).pods == 2
    assert of("lineage", needs(replace(SMALL, events_a_second=planned * 2 + 1))).pods == 3


def test_the_sum_has_something_to_spare() -> None:
    found = needs(SMALL)
    assert total(found).connections >= 1.25 * sum(one.connections for one in found)
    assert total(found).memory == pytest.approx(sum(one.memory for one in found))


def test_events_take_their_bytes_for_as_long_as_they_are_kept() -> None:
    assert events_gb(replace(SMALL, events_a_second=1), 1) == pytest.approx(0.432)


def test_a_service_s_memory_is_what_its_declaration_says() -> None:
    declared = {process.name: process.memory_mb / 1000 for part in COMPONENTS for process in part.processes}
    names = {"API server": "airflow-api", "scheduler": "airflow-scheduler", "DAG processor": "airflow-dag-processor",
             "triggerer": "airflow-triggerer", "lineage": "lineage"}  # fmt: skip
    for what, process in names.items():
        one = of(what, needs(SMALL))
        assert one.memory / one.pods == pytest.approx(declared[process]), what


@pytest.mark.parametrize(("fact", "row"), [("scheduler", "200 mapped tasks"), ("lineage", "events per second")])
def test_nothing_is_planned_with_that_was_not_measured(fact: str, row: str) -> None:
    """The benchmarks are run anew now and then; a fifth more or less is the machine's."""
    page = (DOCS / "reference" / "benchmarks.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if row in line]
    measured = float(re.split(r"[ (|]+", line.split("|")[2].strip())[0])
    assert FACTS[fact].value <= measured * 1.2
