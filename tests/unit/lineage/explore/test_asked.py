from datetime import UTC, datetime

import pytest
from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore.asked import NOW, Asked, moment
from lakehold.lineage.explore.walk import Bounds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", NOW),
        ("2013-01-31", datetime(2013, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2013-01-31T08:30:00Z", datetime(2013, 1, 31, 8, 30, tzinfo=UTC)),
        ("2013-01-31T08:30:00", datetime(2013, 1, 31, 8, 30, tzinfo=UTC)),
        ("2013-01-31 08:30", datetime(2013, 1, 31, 8, 30, tzinfo=UTC)),
        ("2013-01-31T08:30:00+02:00", datetime(2013, 1, 31, 6, 30, tzinfo=UTC)),
        ("2013-01-31T08:30:00 02:00", datetime(2013, 1, 31, 6, 30, tzinfo=UTC)),
    ],
)
def test_times(text: str, time: datetime) -> None:
    assert moment(text, "at") == time


@pytest.mark.parametrize(
    "text", ["yesterday", "2013-02-30", "0001-01-01T00:00:00+10:00", "2013-01-31T25:00", "²013-01-1"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(AnswerError, match="at must be a date or a time such as 2013-01-31") as problem:
        moment(text, "at")
    assert problem.value.status == 400


def test_bounds_have_defaults() -> None:
    assert Asked({}, set()).bounds() == Bounds(direction="both", depth=3, which="all", most=2000)
    given = {"direction": "up", "depth": "20", "edges": "direct", "limit": "1"}
    assert Asked(given, set(given)).bounds() == Bounds(direction="up", depth=20, which="direct", most=1)


@pytest.mark.parametrize("depth", ["0", "21", "-1", "x", "1e1", "²", "9" * 30, " 3"])
def test_numbers_that_mean_nothing(depth: str) -> None:
    with pytest.raises(AnswerError, match="depth must be a number from 1 to 20"):
        Asked({"depth": depth}, {"depth"}).bounds()


def test_an_unknown_parameter_is_named_with_the_known_ones() -> None:
    with pytest.raises(AnswerError, match="dept is no parameter of this; it knows depth, of"):
        Asked({"dept": "3"}, {"of", "depth"})
