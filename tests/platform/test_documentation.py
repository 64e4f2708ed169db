"""What the README and the tutorial tell a reader to type does what they say."""

from __future__ import annotations

import pytest
from airline import Airline
from correction import TOTALS, Corrected, flights_of
from running_platform import RunningPlatform
from shown_commands import DAY_AGAIN, LINES, RUNS


def name(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("words", "refused"), [line for line in LINES.items() if line[0] not in RUNS], ids=name)
def test_a_command_that_is_shown(day_run: tuple[RunningPlatform, str], words: tuple[str, ...], refused: bool) -> None:
    platform, _ = day_run
    done = platform.lakehold(*words, check=False)
    if refused:
        assert done.returncode == 7, done.stdout
        assert "Access Denied" in done.stderr
    else:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert done.stdout


def test_a_run_that_is_shown_takes_the_day_s_file_as_it_is_now(corrected: Corrected, airline: Airline) -> None:
    """A day of the year that has been loaded as one interval is run by itself, as both pages tell the reader to."""
    assert RUNS
    assert all(DAY_AGAIN in words for words in RUNS)
    assert all(corrected.said)
    assert corrected.was == flights_of(airline.mistaken(DAY_AGAIN)), "the year had the day's first file"
    assert corrected.now == flights_of(airline.rows(DAY_AGAIN))


def test_a_run_that_is_shown_changes_no_other_day(corrected: Corrected) -> None:
    assert {"lakehouse.bronze.flights", "lakehouse.silver.flights", "lakehouse.gold.delays"} <= set(corrected.before)
    assert set(corrected.before) > TOTALS
    for table in corrected.before.keys() - TOTALS:
        assert corrected.after[table] == corrected.before[table], table


def test_marts_over_all_days_count_a_corrected_day_as_it_is_now(corrected: Corrected) -> None:
    [silver] = corrected.platform.sql(
        "select count(*) as flights, count_if(tailnum is not null and not cancelled) as flown from silver.flights"
    )
    counted = {
        table: corrected.platform.sql(f"select sum(flights) as n from {table}")[0]["n"] for table in sorted(TOTALS)
    }
    flown, flights = silver["flown"], silver["flights"]
    assert list(counted.values()) == [flown, flights, flights], counted
