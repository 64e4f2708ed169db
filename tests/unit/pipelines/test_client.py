"""Intervals and task times, as the API is told and tells them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from lakehold.errors import ConfigError, NotRunningError
from lakehold.pipelines.client import AirflowClient, Interval, TaskState


def test_a_day_has_the_logical_date_of_the_schedule() -> None:
    day = Interval(start=date(2013, 1, 1), end=date(2013, 1, 2))
    assert day.body() == {
        "logical_date": "2013-01-01T00:00:00+00:00",
        "data_interval_start": "2013-01-01T00:00:00+00:00",
        "data_interval_end": "2013-01-02T00:00:00+00:00",
    }


def test_every_interval_has_a_logical_date_of_its_own() -> None:
    intervals = [Interval(start=date(2013, 1, 1), end=date(2013, 1, day)) for day in range(2, 31)]
    assert len({interval.logical_date for interval in intervals}) == len(intervals)


@pytest.mark.parametrize("end", [date(2013, 1, 1), date(2012, 12, 31)])
def test_an_empty_interval_is_refused_and_says_what_to_write(end: date) -> None:
    with pytest.raises(ConfigError, match="--from 2013-01-01 --to 2013-01-02 is the one day"):
        Interval(start=date(2013, 1, 1), end=end)


def task(state: str | None, *, start: int | None = None, end: int | None = None, index: int = -1) -> TaskState:
    at = {second: datetime(2013, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(60)}
    return TaskState(
        task_id="load",
        map_index=index,
        state=state,
        attempt=1,
        start=None if start is None else at[start],
        end=None if end is None else at[end],
    )


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        (task(None), None),
        (task("running", start=10), 10.0),
        (task("success", start=10, end=14), 4.0),
        # A second attempt still carries the end of the first.
        (task("running", start=10, end=5), 10.0),
        (task("deferred", start=10, end=5), 10.0),
    ],
)
def test_the_time_a_task_takes(shown: TaskState, seconds: float | None) -> None:
    assert shown.seconds(datetime(2013, 1, 1, 0, 0, 20, tzinfo=UTC)) == seconds


def test_a_mapped_task_is_named_with_its_index() -> None:
    assert task("success", index=3).name == "load[3]"


def test_nobody_answering_says_how_to_start() -> None:
    with pytest.raises(NotRunningError, match="lakehold up"):
        AirflowClient("http://127.0.0.1:9", "admin", "x")
