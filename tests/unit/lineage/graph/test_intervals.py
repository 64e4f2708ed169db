import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from lakehold.lineage.graph.intervals import Detail, History, Interval, Key, Writing, history

START = datetime(2013, 1, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def key(source: int) -> Key:
    return Key(source_node=source, source_field=source, target_field=0, how="IDENTITY")


def run(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def writing(day: float, sources: set[int], *, task: int | None = None, ends: bool = True, number: int = 0) -> Writing:
    own = run(number or int(day * 100) + 1)
    return Writing(
        run=own,
        process_run=own if task is None else run(task),
        at=at(day),
        ends=ends,
        edges=[(key(source), Detail("sql")) for source in sorted(sources)],
    )


def spans(found: History) -> dict[int, list[tuple[datetime, datetime, datetime | None]]]:
    return {
        edge.source_field: [(one.first_seen, one.last_seen, one.ended_at) for one in intervals]
        for edge, intervals in found.intervals.items()
    }


def all_of(writings: list[Writing]) -> set[uuid.UUID]:
    return {one.process_run for one in writings}


def test_an_edge_ends_when_a_later_run_writes_without_it_and_begins_again_with_it() -> None:
    writings = [writing(1, {1, 2}), writing(2, {1}), writing(3, {1, 2}), writing(4, {1, 2})]
    assert spans(history(writings, all_of(writings))) == {
        1: [(at(1), at(4), None)],
        2: [(at(1), at(1), at(2)), (at(3), at(4), None)],
    }


def test_the_statements_of_one_task_run_are_one_writing() -> None:
    first = [writing(1, {1}, task=500), writing(1.1, {2}, task=500)]
    second = [writing(2, {1}, task=501), writing(2.1, {2}, task=501)]
    assert spans(history([*first, *second], {run(500), run(501)})) == {
        1: [(at(1), at(2), None)],
        2: [(at(1.1), at(2.1), None)],
    }


def test_a_task_that_failed_or_goes_on_ends_nothing() -> None:
    whole = [writing(1, {1}, task=500), writing(1.1, {2}, task=500)]
    broken = [writing(2, {1}, task=501)]
    assert spans(history([*whole, *broken], {run(500)}))[2] == [(at(1.1), at(1.1), None)]
    assert spans(history([*whole, *broken], {run(500), run(501)}))[2] == [(at(1.1), at(1.1), at(2))]


def test_what_knows_nothing_of_its_sources_ends_nothing() -> None:
    writings = [writing(1, {1}), writing(2, set(), ends=False), writing(3, {2}, ends=False)]
    assert spans(history(writings, all_of(writings))) == {1: [(at(1), at(1), None)], 2: [(at(3), at(3), None)]}


def test_names_alone_say_nothing_of_the_columns_between_them() -> None:
    whole = Key(source_node=1, source_field=10, target_field=0, how="")
    column = Key(source_node=1, source_field=11, target_field=5, how="IDENTITY")
    other = Key(source_node=2, source_field=20, target_field=5, how="IDENTITY")
    known = [(key, Detail("facet")) for key in (whole, column, other)]
    first = Writing(run=run(1), process_run=run(1), at=at(1), ends=True, edges=known)
    second = Writing(run=run(2), process_run=run(2), at=at(2), ends=True, edges=[(whole, Detail("names"))])
    found = history([first, second], {run(1), run(2)})
    assert [key for key, intervals in found.intervals.items() if intervals[-1].ended_at is None] == [whole, column]


def test_a_first_run_is_the_first_and_a_last_run_the_last() -> None:
    writings = [writing(day, {1}) for day in (1, 2, 3)]
    (only,) = history(writings, all_of(writings)).intervals[key(1)]
    assert only == Interval(at(1), at(3), writings[0].run, writings[2].run, Detail("sql"))


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_which_writings_become_known_does_not_matter(seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - to make test data
    writings = some_writings(random_)
    done = {one.process_run for one in writings if random_.random() < 0.8}
    shuffled = random_.sample(writings, len(writings))
    assert history(shuffled, done).intervals == history(writings, done).intervals


@pytest.mark.parametrize("seed", range(20))
def test_what_comes_last_can_be_added_to_what_was(seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - to make test data
    writings = some_writings(random_)
    done = {one.process_run for one in writings if random_.random() < 0.8}
    groups = sorted(
        {one.process_run for one in writings},
        key=lambda task: (min(one.at for one in writings if one.process_run == task), task),
    )
    cut = set(groups[: len(groups) // 2])
    before = history([one for one in writings if one.process_run in cut], done)
    after = history([one for one in writings if one.process_run not in cut], done, before)
    assert after.intervals == history(writings, done).intervals


def some_writings(random_: random.Random) -> list[Writing]:
    return [
        writing(
            number,
            set(random_.sample(range(6), random_.randint(0, 4))),
            task=1000 + number // 2,
            ends=random_.random() < 0.8,
            number=number + 1,
        )
        for number in range(16)
    ]
