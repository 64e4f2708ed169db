"""Overlap of files and which snapshots may go, against what they mean."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as some
from lakehold.tables.policy import Snapshots
from lakehold.tables.state import Ref, Snapshot, expirable, overlap

RANGES = some.lists(some.tuples(some.integers(0, 8), some.integers(0, 8)).map(lambda pair: tuple(sorted(pair))))


@given(some.lists(RANGES, max_size=3))
def test_overlap_counts_pairs_that_share_more_than_a_point(partitions: list[list[tuple[int, int]]]) -> None:
    pairs = [pair for ranges in partitions for pair in combinations(sorted(ranges), 2)]
    meeting = [1 for first, second in pairs if first[1] > second[0]]
    assert overlap(partitions) == (len(meeting) / len(pairs) if pairs else None)


def test_overlap_of_sorted_and_of_unsorted_files() -> None:
    assert overlap([[(0, 10), (10, 20), (20, 30)]]) == 0
    assert overlap([[(0, 30), (0, 30), (1, 29)]]) == 1
    assert overlap([[("a", "b")], []]) is None


@some.composite
def histories(draw: some.DrawFn) -> tuple[list[Snapshot], list[Ref], Snapshots, int]:
    times = sorted(draw(some.lists(some.integers(1, 10_000), min_size=1, max_size=30)))
    staged = draw(some.sets(some.integers(0, len(times) - 1)))
    last = len(times) - 1
    snapshots = [
        Snapshot(
            id=n,
            at_ms=at * 1000,
            replaced_ms=None if n == last or n in staged else times[n + 1] * 1000,
            on_branch=n == last or n not in staged,
        )
        for n, at in enumerate(times)
    ]
    tagged = draw(some.sets(some.integers(0, last)))
    ages = some.one_of(some.none(), some.integers(0, 10_000_000))
    refs = [Ref(name="main", kind="branch", snapshot_id=last)]
    refs += [Ref(name=f"run-{n}", kind="tag", snapshot_id=n, max_age_ms=draw(ages)) for n in tagged]
    policy = Snapshots(
        keep=timedelta(seconds=draw(some.integers(0, 10_000))),
        most=draw(some.integers(1, 40)),
        least=draw(some.integers(1, 10)),
    )
    return snapshots, refs, policy, draw(some.integers(10_000, 20_000)) * 1000


@given(histories())
def test_what_may_go_is_never_a_head_nor_young_nor_the_newest(
    made: tuple[list[Snapshot], list[Ref], Snapshots, int],
) -> None:
    snapshots, refs, policy, now = made
    dead, going = expirable(snapshots, refs, policy, now)
    by_id = {snapshot.id: snapshot for snapshot in snapshots}
    assert "main" not in dead
    assert not {ref.snapshot_id for ref in refs if ref.name not in dead} & set(going)
    newest = sorted(snapshots, key=lambda one: (one.at_ms, one.id), reverse=True)
    assert not {one.id for one in newest[: policy.least]} & set(going)
    keep = policy.keep.total_seconds() * 1000
    for place, one in enumerate(newest):
        young = now - (one.replaced_ms or one.at_ms) <= keep
        if one.id in going and young:
            assert place >= policy.most
            assert by_id[one.id].on_branch
    # Again changes nothing.
    left = [one for one in snapshots if one.id not in going]
    kept = [ref for ref in refs if ref.name not in dead]
    assert expirable(left, kept, policy, now) == ([], [])


def test_a_snapshot_is_old_since_it_was_replaced_and_not_since_it_was_made() -> None:
    day = 86_400_000
    snapshots = [
        Snapshot(id=1, at_ms=0, replaced_ms=99 * day, on_branch=True),
        Snapshot(id=2, at_ms=99 * day, replaced_ms=None, on_branch=True),
    ]
    refs = [Ref(name="main", kind="branch", snapshot_id=2)]
    assert expirable(snapshots, refs, Snapshots(), 100 * day) == ([], [])
    assert expirable(snapshots, refs, Snapshots(), 105 * day) == ([], [1])
