"""What is decided for a table, from its numbers alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from lakehold.tables.maintenance_plan import Action, Past, Remaining, by_worth, plan
from lakehold.tables.policy import Compaction, Deletes, Policy
from lakehold.tables.state import Expired, Orphans, Partition, Ref, Snapshot, TableState

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)


def table(**numbers: Any) -> TableState:
    """A table that is well, but for the numbers."""
    well: dict[str, Any] = {
        "schema": "silver",
        "table": "flights",
        "uuid": "0",
        "location": "s3://lakehouse/silver/flights",
        "metadata_location": "",
        "snapshot_id": 1,
        "sequence": 1,
        "rows": 1000,
        "partitions": (Partition(key="", files=1, bytes=100_000_000),),
        "manifests": 1,
        "manifest_bytes": 7000,
        "snapshots": (Snapshot(id=1, at_ms=MS, replaced_ms=None, on_branch=True),),
        "refs": (Ref(name="main", kind="branch", snapshot_id=1),),
    }
    return TableState(**{**well, **numbers})


def kinds(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions]


def small(files: int, size: int = 1000, deletes: int = 0) -> Partition:
    return Partition(
        key="", files=files, bytes=files * size, small_files=files, small_bytes=files * size, delete_files=deletes
    )


def test_a_table_that_is_well_needs_nothing() -> None:
    assert plan(table(), Policy(), Past(), NOW) == []
    assert plan(table(snapshot_id=None, partitions=()), Policy(), Past(), NOW) == []


def test_two_thousand_commits_and_deletes_are_compacted_and_expired() -> None:
    snapshots = tuple(
        Snapshot(id=n, at_ms=MS - 2200 + n, replaced_ms=MS - 2199 + n if n < 2199 else None, on_branch=True)
        for n in range(2200)
    )
    worn = table(
        partitions=(small(2000, deletes=200),),
        delete_files=200,
        delete_rows=200,
        manifests=2200,
        manifest_bytes=15_000_000,
        snapshots=snapshots,
        refs=(Ref(name="main", kind="branch", snapshot_id=2199),),
    )
    actions = plan(worn, Policy(), Past(), NOW)
    assert kinds(actions) == ["compact", "manifests", "expire"]
    assert actions[0].engine == "trino"
    assert "2,000 small files become about 1" in actions[0].reason
    assert "2,100 of 2,200 snapshots" in actions[2].reason


def test_a_disabled_table_is_left_alone() -> None:
    assert plan(table(partitions=(small(2000),)), Policy(enabled=False), Past(), NOW) == []


def test_a_rewrite_is_not_done_twice_on_an_unchanged_table() -> None:
    worn = table(partitions=(small(50),))
    assert kinds(plan(worn, Policy(), Past(done={"compact": 0}), NOW)) == ["compact"]
    assert plan(worn, Policy(), Past(done={"compact": 1}), NOW) == []
    assert plan(worn, Policy(), Past(done={"sort": 1}), NOW) == []


def test_few_small_files_or_files_that_would_stay_as_many_are_left() -> None:
    assert plan(table(partitions=(small(4),)), Policy(), Past(), NOW) == []
    # Just below the limit: five files of 90 MB become four of 128.
    assert plan(table(partitions=(small(5, 90_000_000),)), Policy(), Past(), NOW) == []


def test_deletes_are_merged_by_the_cheaper_engine() -> None:
    big = Partition(key="", files=100, bytes=100 * 128_000_000, delete_files=40)
    numbers: dict[str, Any] = {"partitions": (big,), "delete_files": 40, "delete_bytes": 40_000, "rows": 10**6}
    (few,) = plan(table(**numbers, delete_rows=40, rows_unanalyzed=0), Policy(), Past(), NOW)
    assert (few.kind, few.engine) == ("deletes", "spark")
    (many,) = plan(table(**numbers, delete_rows=300_000, rows_unanalyzed=0), Policy(), Past(), NOW)
    assert (many.kind, many.engine) == ("deletes", "trino")
    (by_value,) = plan(table(**numbers, delete_rows=40, equality_deletes=1, rows_unanalyzed=0), Policy(), Past(), NOW)
    assert by_value.engine == "trino"
    tiny = table(partitions=(Partition(key="", files=1, bytes=10**6, delete_files=12),), delete_files=12, delete_rows=5)
    assert plan(tiny, Policy(), Past(), NOW)[0].engine == "trino"
    assert plan(tiny, Policy(deletes=Deletes(files=100)), Past(), NOW) == []


def test_sorting_is_for_tables_that_ask_for_it() -> None:
    worn = table(partitions=(Partition(key="", files=10, bytes=10**9),), overlap=0.9, order=("day",))
    assert plan(worn, Policy(), Past(), NOW) == []
    (action,) = plan(worn, Policy(compaction=Compaction(strategy="sort")), Past(), NOW)
    assert (action.kind, action.engine) == ("sort", "spark")
    in_order = dataclasses.replace(worn, overlap=0.1)
    assert plan(in_order, Policy(compaction=Compaction(strategy="sort")), Past(), NOW) == []


def test_small_files_of_a_sorted_table_are_merged_in_its_order() -> None:
    worn = table(partitions=(small(50),), overlap=0.0)
    (action,) = plan(worn, Policy(compaction=Compaction(strategy="sort", order=("day",))), Past(), NOW)
    assert (action.kind, action.engine) == ("compact", "spark")
    assert "sorted by day" in action.reason


def test_a_perfect_z_order_is_left_although_its_files_overlap() -> None:
    policy = Policy(compaction=Compaction(strategy="zorder", order=("day", "carrier")))
    parts = (Partition(key="", files=16, bytes=10**9),)
    # Sixteen files are four by four: each meets three of fifteen in one column.
    assert plan(table(partitions=parts, overlap=0.2), policy, Past(), NOW) == []
    (action,) = plan(table(partitions=parts, overlap=0.9), policy, Past(), NOW)
    assert "zorder by day, carrier" in action.reason


def test_orphans_are_only_reported_in_a_tables_first_week() -> None:
    littered = table(orphans=Orphans(files=3, bytes=100, listed_files=9, listed_bytes=900))
    for seen in (None, NOW - timedelta(days=6)):
        (action,) = plan(littered, Policy(), Past(first_seen=seen), NOW)
        assert action.dry
    (action,) = plan(littered, Policy(), Past(first_seen=NOW - timedelta(days=8)), NOW)
    assert not action.dry


def test_files_of_expired_snapshots_stay_for_readers_and_go_before_the_next_expiry() -> None:
    expired = Expired(metadata="s3://…", at_ms=MS - 1000)
    assert plan(table(expired=expired), Policy(), Past(), NOW) == []
    later = NOW + timedelta(hours=2)
    assert kinds(plan(table(expired=expired), Policy(), Past(), later)) == ["sweep"]


def test_manifests_without_a_live_file_are_left_out_rather_than_merged() -> None:
    assert kinds(plan(table(manifests=41, dead_manifests=40), Policy(), Past(), NOW)) == ["prune"]
    assert kinds(plan(table(manifests=42, dead_manifests=1), Policy(), Past(), NOW)) == ["manifests"]


def test_statistics_follow_change() -> None:
    large = table(rows=100_000)
    assert kinds(plan(large, Policy(), Past(), NOW)) == ["analyze"]
    assert plan(dataclasses.replace(large, rows_unanalyzed=10), Policy(), Past(), NOW) == []
    assert kinds(plan(dataclasses.replace(large, rows_unanalyzed=50_000), Policy(), Past(), NOW)) == ["analyze"]


def test_the_table_that_gains_most_a_second_comes_first() -> None:
    cheap, dear = table(partitions=(small(500),)), table(table="wide", partitions=(small(500, 10**7),))
    pairs = [(one, plan(one, Policy(), Past(), NOW)) for one in (dear, cheap)]
    assert [state.table for state, _ in by_worth(pairs)] == ["flights", "wide"]


def test_a_budget_refuses_what_does_not_fit() -> None:
    action = Action(kind="compact", engine="trino", reason="", bytes=100, seconds=10)
    assert Remaining(seconds=10, bytes=100).allows(action)
    assert not Remaining(seconds=9, bytes=100).allows(action)
    assert not Remaining(seconds=10, bytes=99).allows(action)
    assert Remaining(seconds=0, bytes=0).allows(dataclasses.replace(action, dry=True))
    assert Remaining(seconds=10, bytes=100).after(action) == Remaining(seconds=0, bytes=0)


@given(
    files=some.integers(0, 3000),
    size=some.integers(1, 10**9),
    deletes=some.integers(0, 300),
    manifests=some.integers(0, 3000),
    orphans=some.integers(0, 5),
    seen=some.integers(0, 20),
)
def test_whatever_a_table_looks_like(
    files: int, size: int, deletes: int, manifests: int, orphans: int, seen: int
) -> None:
    limit = 96_000_000
    part = Partition(key="", files=files, bytes=files * size, delete_files=deletes)
    if size < limit:
        part = dataclasses.replace(part, small_files=files, small_bytes=files * size)
    state = table(
        partitions=(part,),
        delete_files=deletes,
        delete_rows=deletes,
        manifests=manifests,
        manifest_bytes=manifests * 7000,
        orphans=Orphans(files=orphans, bytes=orphans, listed_files=0, listed_bytes=0),
    )
    past = Past(first_seen=NOW - timedelta(days=seen))
    actions = plan(state, Policy(), past, NOW)
    order = ["sort", "compact", "deletes", "manifests", "prune", "sweep", "expire", "orphans", "analyze"]
    assert kinds(actions) == sorted(kinds(actions), key=order.index)
    assert all(action.reason and action.seconds >= 0 and action.bytes >= 0 for action in actions)
    assert [one.dry for one in actions if one.kind == "orphans"] in ([], [seen < 7])
    # Once all of it was done and nothing else happened, no rewrite is asked for again.
    done = Past(first_seen=past.first_seen, done={action.kind: state.sequence for action in actions})
    assert not {"sort", "compact", "deletes", "manifests"} & set(kinds(plan(state, Policy(), done, NOW)))
