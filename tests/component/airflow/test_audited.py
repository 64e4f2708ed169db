"""Audited groups on the real Airflow: published whole or not at all, whoever fails, waits or is killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine_loop import EngineLoop
from lakehold.pipelines.client import FINISHED

pytestmark = pytest.mark.component

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
GROUP = ("clone", "write", "check", "publish")


class Shop:
    """The table that the audited groups write, and Airflow."""

    def __init__(self, airflow: Any, engine: EngineLoop) -> None:
        self.airflow = airflow
        self._engine = engine
        self.call("setup")

    def call(self, *arguments: str) -> str:
        """Run the program of the test's checkout as its tasks do."""
        return self._run("orders", *arguments)

    def tables(self, *arguments: str) -> str:
        """Run a verb on tables, as a person may."""
        return self._run("lakehold.tables.run", *arguments)

    def _run(self, module: str, *arguments: str) -> str:
        done = self._engine.run(module, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(self) -> list[int]:
        """What readers see."""
        found: list[int] = json.loads(self.call("show"))
        return found

    def shadows(self) -> set[str]:
        """The runs that have a shadow."""
        return {each["run"] for each in json.loads(self.tables("shadows", "--json"))}

    def states(self, run: Any) -> list[str | None]:
        """The states of the group's tasks, in order."""
        states = self.airflow.states(run)
        return [states[f"shop.{name}"] for name in GROUP]


@pytest.fixture(scope="module")
def engine(airflow: Any) -> Iterator[EngineLoop]:
    site = airflow.lab.site
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": f"{site.checkout / 'platform' / 'src'}:{site.checkout / 'jobs'}",
        "LAKEHOLD_PLATFORM": str(site.conf("airflow") / "platform.json"),
    }
    with EngineLoop(site.pythons["engine"], site.checkout, environment) as loop:
        yield loop


@pytest.fixture
def shop(airflow: Any, engine: EngineLoop) -> Shop:
    return Shop(airflow, engine)


@pytest.fixture(scope="module")
def groups(airflow: Any) -> dict[str, Any]:
    """What `groups_part.py` tells about groups that never run."""
    site = airflow.lab.site
    done = subprocess.run(
        [site.pythons["airflow"], HERE / "groups_part.py", REPOSITORY],
        env={
            "PATH": "/usr/bin:/bin",
            "AIRFLOW_HOME": str(site.state),
            "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_every_layer_is_cloned_first_and_published_last(groups: dict[str, Any]) -> None:
    edges = groups["main_job"]
    chain = ["landed", *(f"bronze.{name}" for name in ("clone", "load", "gate", "publish"))]
    chain += [f"silver.{name}" for name in ("clone", "join", "gate", "publish")]
    assert [edges[task] for task in chain] == [[], *([task] for task in chain[:-1])]
    assert edges["gold.clone"] == ["silver.publish"]
    assert edges["gold.marts.build"] == edges["gold.marts.stg_flights"] == ["gold.clone"]
    assert edges["gold.publish"] == ["gold.gate"]
    assert {"gold.marts.build", "gold.marts.delays"} <= set(edges["gold.gate"])


def test_tasks_of_all_kinds_stand_between_clone_and_publish(groups: dict[str, Any]) -> None:
    assert groups["branches"]["edges"] == {
        "before": [],
        "gold.clone": [],
        "gold.a": ["gold.clone"],
        "gold.b": ["before", "gold.a"],
        "gold.c": ["gold.clone"],
        "gold.publish": ["gold.b", "gold.c"],
        "after": ["gold.publish"],
    }
    assert groups["branches"]["schema"] == "{{ ti.xcom_pull(task_ids='gold.clone')['gold'] }}"
    assert groups["branches"]["table"] == groups["branches"]["schema"] + ".delays"


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        ("empty", "the audited group gold has no task that could write anything"),
        ("nested", "the audited group outer.inner stands in another one, outer"),
        ("other", "silver is not among the schemas of the audited group gold: ('gold',)"),
        ("one_name", "schemas is a list of schema names, such as [\"gold\"], not 'gold'"),
    ],
)
def test_what_makes_no_sense_is_refused_when_the_dag_is_read(groups: dict[str, Any], misuse: str, said: str) -> None:
    assert groups[misuse] == said


def test_what_failed_is_seen_by_nobody_and_cleared_by_the_next_run(shop: Shop) -> None:
    before = shop.rows()
    failed = shop.airflow.start("orders", row=1, code=3)
    assert shop.airflow.ended(failed) == "failed"
    assert shop.states(failed) == ["success", "success", "failed", "upstream_failed"]
    assert shop.rows() == before
    assert shop.shadows() == {f"orders/{failed.run_id}"}, "the shadow stays to be looked at"

    good = shop.airflow.start("orders", row=2)
    assert shop.airflow.ended(good) == "success"
    assert f"orders/{failed.run_id} has ended without publishing" in shop.airflow.log(good, "shop.clone")
    assert shop.rows() == [*before, 2]
    assert shop.shadows() == set()


def test_clearing_a_failed_run_starts_clean(shop: Shop, tmp_path: Path) -> None:
    before = shop.rows()
    sign = tmp_path / "sign"
    run = shop.airflow.start("orders", row=3, sign=str(sign))
    shop.airflow.until_state(run, "shop.check", "running")
    shop.airflow.call("PATCH", f"dags/orders/dagRuns/{run.run_id}/taskInstances/shop.check", {"new_state": "failed"})
    assert shop.airflow.ended(run) == "failed"
    sign.touch()
    shop.airflow.call("POST", f"dags/orders/dagRuns/{run.run_id}/clear", {"dry_run": False})
    assert shop.airflow.ended(run) == "success"
    assert shop.rows() == [*before, 3], "written twice, published once"


def test_the_later_run_waits_without_a_slot_or_is_refused(shop: Shop, tmp_path: Path) -> None:
    before = shop.rows()
    sign = tmp_path / "sign"
    first = shop.airflow.start("orders", row=4, sign=str(sign))
    shop.airflow.until_state(first, "shop.check", "running")
    later = shop.airflow.start("orders", row=5)
    refused = shop.airflow.start("orders_impatient", row=6)
    assert shop.airflow.ended(refused) == "failed"
    assert f"orders/{first.run_id}" in shop.airflow.log(refused, "shop.clone")
    shop.airflow.until_state(later, "shop.clone", "deferred")
    assert shop.rows() == before
    sign.touch()
    assert [shop.airflow.ended(first), shop.airflow.ended(later)] == ["success", "success"]
    assert shop.rows() == [*before, 4, 5]


def test_a_trigger_rule_lets_no_failure_through(shop: Shop) -> None:
    before = shop.rows()
    run = shop.airflow.start("orders_impatient", row=7, code=3)
    assert shop.airflow.ended(run) == "failed"
    assert shop.airflow.states(run) == {
        "shop.clone": "success",
        "shop.write": "success",
        "shop.check": "failed",
        "shop.clean": "success",
        "shop.publish": "failed",
    }
    assert "these have failed: shop.check" in shop.airflow.log(run, "shop.publish")
    assert shop.rows() == before


def test_a_gate_that_was_skipped_lets_nothing_through(shop: Shop) -> None:
    before = shop.rows()
    run = shop.airflow.start("orders_ungated", row=8)
    assert shop.airflow.ended(run) == "failed"
    states = shop.airflow.states(run)
    assert [states[f"shop.{name}"] for name in ("gate", "clean", "publish")] == ["skipped", "success", "failed"]
    assert "these gates have not passed: shop.gate (skipped)" in shop.airflow.log(run, "shop.publish")
    assert shop.rows() == before


def test_only_what_a_gate_has_seen_is_published(shop: Shop) -> None:
    before = shop.rows()
    late = shop.airflow.start("orders_judged", row=9, late=90)
    assert shop.airflow.ended(late) == "failed"
    assert shop.airflow.states(late)["shop.late"] == "success"
    assert "shop.orders is not what the gate has seen; nothing was published." in shop.airflow.log(late, "shop.publish")
    assert shop.rows() == before
    good = shop.airflow.start("orders_judged", row=9)
    assert shop.airflow.ended(good) == "success"
    assert "--judged=shop.orders=s3://" in shop.airflow.log(good, "shop.publish")
    assert shop.rows() == [*before, 9]


def test_a_publication_killed_at_any_moment_happens_once(shop: Shop) -> None:
    before = shop.rows()
    rows: list[int] = []
    killed = 0
    while killed < 3 and len(rows) < 9:
        rows.append(10 + len(rows))
        run = shop.airflow.start("orders_again", row=rows[-1])
        killed += kill_publication(shop, run)
        assert shop.airflow.ended(run) == "success"
    assert killed, "every publication was faster"
    assert shop.rows() == [*before, *rows]
    assert shop.shadows() == set()


def kill_publication(shop: Shop, run: Any) -> bool:
    """Kill the Airflow process that waits for the run's publication, some time after it began; False if it was over."""
    task = publishing(shop, run)
    if task is None:
        return False
    time.sleep(random.uniform(0, 0.5))  # noqa: S311 - any moment of it will do
    try:
        os.kill(task, signal.SIGKILL)
    except ProcessLookupError:
        assert shop.airflow.task(run, "shop.publish").attempt == 1  # it was faster
        return False
    return True


def publishing(shop: Shop, run: Any) -> int | None:
    """Wait for the run's publication and return the Airflow process that waits for it; None if nobody saw it."""
    while shop.airflow.client.run(run).state not in FINISHED:
        # It takes tenths of a second: who rests between two looks misses it.
        look_until = time.monotonic() + 1
        while time.monotonic() < look_until:
            for process in psutil.process_iter(["cmdline"]):
                line = process.info["cmdline"] or []
                if "publish" in line and f"orders_again/{run.run_id}" in line and "guard.py" in " ".join(line):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        return process.ppid()
    return None
