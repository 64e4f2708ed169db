"""From dbt's events to one outcome a model, and the file the triggers follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lakehold.pipelines import dbt_progress
from lakehold.pipelines.dbt_progress import Collector, Outcome, Progress

STAGING, MART = "model.shop.stg", "model.shop.mart"
NOT_NULL, RELATION, SINGULAR, UNIT = "test.shop.nn.1", "test.shop.rel.2", "test.shop.single", "unit_test.shop.mart.u"


def manifest() -> dict[str, Any]:
    def node(kind: str, *parents: str, attached: str | None = None) -> dict[str, Any]:
        return {"resource_type": kind, "depends_on": {"nodes": list(parents)}, "attached_node": attached}

    return {
        "nodes": {
            STAGING: node("model"),
            MART: node("model", STAGING),
            NOT_NULL: node("test", STAGING, attached=STAGING),
            RELATION: node("test", STAGING, MART, attached=MART),
            SINGULAR: node("test", STAGING, MART),
            "analysis.shop.look": node("analysis", MART),
        },
        "unit_tests": {UNIT: node("unit_test", MART)},
    }


def ended(status: str, message: str = "", seconds: float = 0.5) -> dict[str, Any]:
    return {"status": status, "message": message, "execution_time": seconds}


@pytest.fixture
def collector() -> Collector:
    return Collector(dbt_progress.tests_by_model(manifest()))


def test_every_test_counts_for_one_model() -> None:
    assert dbt_progress.tests_by_model(manifest()) == {STAGING: {NOT_NULL}, MART: {RELATION, SINGULAR, UNIT}}


def test_a_model_is_done_when_its_last_test_is(collector: Collector) -> None:
    assert collector.finished(STAGING, ended("success", seconds=1.5)) == []
    assert collector.finished(NOT_NULL, ended("pass")) == [
        Outcome(node="stg", status="success", seconds=1.5, message="1 of 1 tests passed")
    ]


def test_a_failed_test_fails_its_model_and_says_why(collector: Collector) -> None:
    collector.finished(STAGING, ended("success"))
    (outcome,) = collector.finished(NOT_NULL, ended("fail", "Got 3 results, configured to fail if != 0"))
    assert (outcome.status, outcome.message) == ("failed", "Got 3 results, configured to fail if != 0")


def test_a_failed_unit_test_fails_the_model_it_kept_from_being_built(collector: Collector) -> None:
    outcomes = collector.finished(UNIT, ended("fail", "actual differs from expected"))
    for uid in (MART, RELATION, SINGULAR):
        outcomes += collector.finished(uid, ended("skipped"))
    assert [(outcome.node, outcome.status) for outcome in outcomes] == [("mart", "failed")]


def test_a_model_whose_parent_failed_is_skipped(collector: Collector) -> None:
    outcomes = [
        found for uid in (UNIT, MART, RELATION, SINGULAR) for found in collector.finished(uid, ended("skipped"))
    ]
    assert [outcome.status for outcome in outcomes] == ["skipped"]


def test_a_model_does_not_wait_for_unit_tests_that_were_not_selected(collector: Collector) -> None:
    outcomes = [
        found
        for uid, status in ((MART, "success"), (RELATION, "pass"), (SINGULAR, "pass"))
        for found in collector.finished(uid, ended(status))
    ]
    assert [(outcome.node, outcome.message) for outcome in outcomes] == [("mart", "2 of 2 tests passed")]


def test_tests_that_were_not_selected_do_not_hold_a_model_up(collector: Collector) -> None:
    collector.finished(MART, ended("success"))
    assert [outcome.status for outcome in collector.rest()] == ["success"]
    assert collector.rest() == []


def test_the_file_is_read_as_far_as_it_is_written(tmp_path: Path) -> None:
    assert dbt_progress.read(tmp_path) is None
    dbt_progress.write_start(tmp_path, "b1")
    assert dbt_progress.read(tmp_path) == Progress(build="b1")
    done = Outcome(node="stg", status="success", seconds=1.0, message="ü")
    dbt_progress.write_outcomes(tmp_path, [done])
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"node": "half')
    assert dbt_progress.read(tmp_path) == Progress(build="b1", outcomes={"stg": done})


def test_a_new_build_forgets_the_old_one(tmp_path: Path) -> None:
    dbt_progress.write_start(tmp_path, "b1")
    dbt_progress.write_end(tmp_path, 1)
    dbt_progress.write_start(tmp_path, "b2")
    assert dbt_progress.read(tmp_path) == Progress(build="b2")


def test_only_a_later_attempt_finds_that_it_was_told_before(tmp_path: Path) -> None:
    dbt_progress.write_told(tmp_path, "stg", "b1", "attempt 1")
    assert not dbt_progress.told_before(tmp_path, "stg", "b1", "attempt 1")  # the triggerer was restarted
    assert dbt_progress.told_before(tmp_path, "stg", "b1", "attempt 2")
    assert not dbt_progress.told_before(tmp_path, "stg", "b2", "attempt 2")
    assert not dbt_progress.told_before(tmp_path, "mart", "b1", "attempt 2")


def test_a_run_name_cannot_leave_the_work_folder(tmp_path: Path) -> None:
    folder = dbt_progress.progress_folder(str(tmp_path), "dag", "../../x/manual__2013+00:00@20130101T000000", "gold")
    assert folder.parent.parent == tmp_path / "dbt" / "dag"
