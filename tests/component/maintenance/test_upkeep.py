"""What maintenance measures, lets go of and keeps, on a real catalog and object store, without any engine."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from typing import Any

import pytest
from lakehold.tables import guard

pytestmark = pytest.mark.component

EAGER = {"keep": "0s", "most": 1, "excess": 1, "readers": "0s"}
NO_REWRITES = {"compaction": {"least": 10_000}, "manifests": {"least": 10_000}}


@pytest.fixture(autouse=True)
def nothing_is_rewritten(lakehouse: Any) -> None:
    """Rewrites are Trino's work; a probe of it comes only with those."""
    lakehouse.policy(**NO_REWRITES)


def test_a_table_is_measured_from_its_metadata(lakehouse: Any) -> None:
    lakehouse.part("ranges", "silver.ranges", [[0, 10], [5, 10], [30, 5]])
    lakehouse.part("tag", "silver.ranges", "run_1", None)
    state = lakehouse.part("state", "silver.ranges", {"compaction": {"order": ["id"], "target": "1KB"}})
    assert (state["files"], state["small_files"], state["rows"], len(state["snapshots"])) == (3, 0, 25, 3)
    assert state["overlap"] == pytest.approx(1 / 3)
    assert {ref["name"]: ref["kind"] for ref in state["refs"]} == {"main": "branch", "run_1": "tag"}
    assert len(state["partitions"]) == 1
    assert state["rows_unanalyzed"] is None
    wide = lakehouse.part("state", "silver.ranges", {})
    assert (wide["small_files"], wide["overlap"]) == (3, None)
    told = lakehouse.verb("status", "silver.ranges")
    assert "silver.ranges" in told
    assert "never" in told


def test_expiry_keeps_heads_and_the_files_readers_may_have_until_they_are_done(lakehouse: Any) -> None:
    table = "silver.expiring"
    lakehouse.part("worn", table, 10)
    lakehouse.part("tag", table, "run_kept", None)
    lakehouse.part("tag", table, "run_short_lived", 1)
    lakehouse.part("branch", table, "experiment", 1000)
    for number in range(10, 20):
        lakehouse.part("append", table, number, 1)
    before = set(lakehouse.objects(table))
    lakehouse.policy(snapshots={**EAGER, "readers": "1h"}, **NO_REWRITES)
    assert "done" in lakehouse.verb("maintain", table)
    assert before <= set(lakehouse.objects(table))
    refs = {ref["name"] for ref in lakehouse.part("state", table, {})["refs"]}
    assert refs == {"main", "run_kept", "experiment"}
    assert "nothing to do" in lakehouse.verb("maintain", table)
    lakehouse.policy(snapshots=EAGER, **NO_REWRITES)
    assert "sweep" in lakehouse.verb("maintain", table)
    left = set(lakehouse.objects(table))
    assert set(lakehouse.part("files", table)) <= left
    assert before - left
    assert lakehouse.part("ids", table, None) == list(range(20))
    assert lakehouse.part("ids", table, "run_kept") == list(range(10))
    assert lakehouse.part("ids", table, "experiment") == [*range(10), 1000]
    assert len(lakehouse.part("state", table, {})["snapshots"]) == 3


def test_a_tag_made_meanwhile_keeps_its_snapshot(lakehouse: Any) -> None:
    lakehouse.part("worn", "silver.raced", 5)
    kind, told = lakehouse.part("stale", "silver.raced")
    assert kind == "ConflictError"
    assert "meanwhile" in told
    assert lakehouse.part("ids", "silver.raced", "meanwhile") == [0]


def test_orphans_are_reported_for_a_week_and_then_deleted(lakehouse: Any) -> None:
    table = "silver.littered"
    lakehouse.part("worn", table, 4)
    lakehouse.part("tag", table, "run_1", None)
    lakehouse.part("branch", table, "experiment", 77)
    lakehouse.age(table)
    old, young = lakehouse.litter(table, "old.parquet"), lakehouse.litter(table, "young.parquet", old=False)
    planned = lakehouse.plan(table)
    assert (planned["orphans"]["files"], planned["orphans"]["bytes"]) == (1, len("left behind"))
    assert "dry" in lakehouse.verb("maintain", table)
    assert old.exists()
    lakehouse.part("known_since", table, 8)
    assert "1 files deleted" in lakehouse.verb("maintain", table)
    assert not old.exists()
    assert young.exists()
    assert set(lakehouse.part("files", table)) <= set(lakehouse.objects(table))
    assert lakehouse.part("ids", table, "run_1") == list(range(4))
    assert lakehouse.part("ids", table, "experiment") == [*range(4), 77]
    (last,) = [row for row in lakehouse.part("records", table) if row["action"] == "orphans"]
    assert (last["removed_files"], last["outcome"]) == (1, "done")


@pytest.mark.parametrize("how", ["renamed", "unlisted"])
@pytest.mark.parametrize("kind", ["sweep", "orphans"])
def test_a_table_that_loses_its_name_meanwhile_keeps_its_files(lakehouse: Any, kind: str, how: str) -> None:
    table = f"silver.{kind}_{how}"
    lakehouse.part("worn", "bronze.read_first", 1)
    lakehouse.part("worn", table, 4)
    lakehouse.part("tag", table, "run_1", None)
    lakehouse.part("append", table, 4, 1)
    lakehouse.policy(snapshots={**EAGER, "readers": "1h"}, **NO_REWRITES)
    assert "done" in lakehouse.verb("maintain", table)
    lakehouse.age(table)
    ended = lakehouse.part("erased", table, kind, how)
    if how == "renamed":
        assert ended[0] == "ConflictError"
        assert "renamed or dropped" in ended[1]
        table = f"{table}_renamed"
    else:
        assert ended == ["done"]
    assert set(lakehouse.part("files", table)) <= set(lakehouse.objects(table))
    assert lakehouse.part("ids", table, None) == list(range(5))
    assert lakehouse.part("ids", table, "run_1") == list(range(4))


def test_a_table_of_a_namespace_within_counts_as_well(lakehouse: Any) -> None:
    table = "silver.outer"
    lakehouse.part("worn", table, 2)
    lakehouse.part("inner", table)
    lakehouse.part("known_since", table, 30)
    lakehouse.age(table)
    assert lakehouse.plan(table)["actions"] == []
    lakehouse.verb("maintain", table)
    assert lakehouse.part("ids", f"{table}.inner", None) == [0]


def test_a_sweep_that_another_run_was_faster_with_leaves_the_newer_expiry_alone(lakehouse: Any) -> None:
    table = "silver.overtaken"
    lakehouse.part("worn", table, 4)
    lakehouse.policy(snapshots={**EAGER, "readers": "1h"}, **NO_REWRITES)
    assert "done" in lakehouse.verb("maintain", table)
    lakehouse.part("append", table, 4, 1)
    assert lakehouse.part("overtaken", table) == ["sweep", "expire", "sweep skipped"]
    # The note of the second expiry: its files are still there for readers.
    assert lakehouse.part("state", table, {})["expired"]


def test_a_clone_that_shares_the_location_keeps_its_files(lakehouse: Any) -> None:
    table = "gold.shared"
    lakehouse.part("worn", table, 3)
    clone = "gold__audit_0123456789"
    with lakehouse.ledger() as connection:
        # As a shadow that a crash left without an entry in the ledger.
        connection.execute(
            "INSERT INTO iceberg_tables SELECT catalog_name, %s, table_name, metadata_location, NULL, iceberg_type "
            "FROM iceberg_tables WHERE table_namespace = 'gold' AND table_name = 'shared'",
            (clone,),
        )
    lakehouse.part("append", f"{clone}.shared", 500, 1)
    lakehouse.part("known_since", table, 30)
    lakehouse.age(table)
    assert lakehouse.plan(table)["actions"] == []
    lakehouse.policy(snapshots=EAGER, **NO_REWRITES)
    lakehouse.verb("maintain", table)
    assert lakehouse.part("ids", f"{clone}.shared", None) == [0, 1, 2, 500]
    assert set(lakehouse.part("files", f"{clone}.shared")) <= set(lakehouse.objects(table))
    assert f"{clone}.shared" not in lakehouse.verb("status")


def test_a_table_being_published_is_left_alone_and_what_was_published_stays(lakehouse: Any) -> None:
    table = "gold.published"
    lakehouse.part("worn", table, 12)
    lakehouse.part("known_since", table, 30)
    lakehouse.policy(snapshots=EAGER, **NO_REWRITES)
    with lakehouse.ledger() as connection:
        assert guard.claim(connection, ["gold"], wait=0)
        assert "skipped" in lakehouse.verb("maintain", table)
    group = ("--run", "day/1", "--group", "gold")
    (name,) = re.findall(r"gold -> (\S+)", lakehouse.publication("clone", *group, "--schema", "gold"))
    lakehouse.part("append", f"{name}.published", 12, 1)
    told = lakehouse.verb("maintain", table)
    assert "skipped" in told
    assert 'run "day/1"' in told
    assert len(lakehouse.part("state", table, {})["snapshots"]) == 12
    (tag,) = re.findall(r"tag (\w+)", lakehouse.publication("publish", *group))
    lakehouse.part("append", table, 13, 1)
    assert "done" in lakehouse.verb("maintain", table)
    assert len(lakehouse.part("state", table, {})["snapshots"]) == 2
    lakehouse.age(table)
    lakehouse.verb("maintain", table)
    # What the clone and the publication wrote on their way has gone, what they published has not.
    assert set(lakehouse.objects(table)) == set(lakehouse.part("files", table))
    assert lakehouse.part("ids", table, None) == list(range(14))
    assert lakehouse.part("ids", table, tag) == list(range(13))


def test_a_run_can_be_taken_back_after_maintenance_left_manifests_out(lakehouse: Any) -> None:
    table = "marts.pruned"
    lakehouse.part("worn", table, 4)
    group = ("--run", "day/9", "--group", "marts")
    (name,) = re.findall(r"marts -> (\S+)", lakehouse.publication("clone", *group, "--schema", "marts"))
    lakehouse.part("delete", f"{name}.pruned", 3)
    lakehouse.publication("publish", *group)
    lakehouse.policy(compaction={"least": 10_000}, manifests={"least": 10_000, "dead": 1})
    assert re.search(r"prune \(pyiceberg\) +done", lakehouse.verb("maintain", table))
    assert lakehouse.part("ids", table, None) == [0, 1, 2]
    lakehouse.publication("rollback", "day/9")
    assert lakehouse.part("ids", table, None) == [0, 1, 2, 3]


def test_maintenance_keeps_a_publication_waiting_and_a_second_maintenance_away(lakehouse: Any) -> None:
    with lakehouse.ledger() as one, lakehouse.ledger() as other, lakehouse.ledger() as publisher:
        one.autocommit = other.autocommit = True
        with guard.holding(one, "silver", "a") as held:
            assert held
            with guard.holding(other, "silver", "a") as twice:
                assert not twice
            with guard.holding(other, "silver", "b") as beside:
                assert beside
            assert not guard.claim(publisher, ["gold", "silver"], wait=0)
            publisher.rollback()
        assert guard.claim(publisher, ["silver"], wait=0)


def test_killed_at_any_moment_nothing_is_lost_and_the_next_run_clears_up(lakehouse: Any) -> None:
    table = "silver.killed"
    lakehouse.part("worn", table, 20)
    lakehouse.part("tag", table, "run_1", None)
    lakehouse.part("known_since", table, 30)
    lakehouse.policy(snapshots=EAGER, **NO_REWRITES)
    chance = random.Random(4)  # noqa: S311 - the moments need not be secret
    for round_ in range(5):
        lakehouse.part("append", table, 20 + 2 * round_, 1)
        lakehouse.part("append", table, 21 + 2 * round_, 1)
        run = lakehouse.start("-m", "lakehold.tables.maintenance", "maintain", table)
        assert run.stdout
        # The expiry tells when it is done, and the sweep begins: that is where files go.
        first = run.stdout.readline() if round_ % 2 else ""
        assert not round_ % 2 or "done" in first
        time.sleep(chance.random() * (0.2 if round_ % 2 else 2))
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        assert lakehouse.part("ids", table, None) == list(range(22 + 2 * round_))
        assert lakehouse.part("ids", table, "run_1") == list(range(20))
    lakehouse.verb("maintain", table)
    lakehouse.age(table)
    lakehouse.verb("maintain", table)
    assert set(lakehouse.objects(table)) == set(lakehouse.part("files", table))
    assert lakehouse.part("ids", table, None) == list(range(30))
    assert "nothing to do" in lakehouse.verb("maintain", table)


def test_what_does_not_fit_the_budget_waits(lakehouse: Any) -> None:
    table = "silver.large"
    lakehouse.part("worn", table, 12)
    lakehouse.policy(budget={"bytes": 10}, snapshots=EAGER)
    assert "not in this run" in lakehouse.verb("plan", table)
    told = lakehouse.verb("maintain", table)
    assert "do not fit" in told
    assert "expire (pyiceberg)    done" in told
    assert lakehouse.part("state", table, {})["files"] == 12


def test_an_outside_rest_catalog_is_looked_after_as_well(outside: Any) -> None:
    table = "silver.rest"
    outside.part("worn", table, 6)
    outside.part("tag", table, "run_1", None)
    for number in range(6, 10):
        outside.part("append", table, number, 1)
    outside.policy(snapshots=EAGER, **NO_REWRITES)
    before = set(outside.objects(table))
    told = outside.verb("maintain", table)
    assert told.count(" done ") == 2, told
    assert "snapshots 10 → 2" in told
    left = set(outside.objects(table))
    assert set(outside.part("files", table)) <= left
    assert before - left
    assert outside.part("ids", table, None) == list(range(10))
    assert outside.part("ids", table, "run_1") == list(range(6))
    assert "nothing to do" in outside.verb("maintain", table)


def test_what_does_not_exist_and_a_wrong_policy_are_told(lakehouse: Any) -> None:
    assert "there is no table or schema silver.nothing" in lakehouse.verb("status", "silver.nothing", code=8)
    lakehouse.policy(snapshot={})
    assert 'did you mean "snapshots"?' in lakehouse.verb("plan", code=3)
