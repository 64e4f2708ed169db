"""The main job on real flights: days, corrections, bad files and a year give the known answers."""

from __future__ import annotations

import re
from subprocess import CompletedProcess

import pytest
from airline import Airline
from correction import Corrected
from fingerprints import fingerprint, fingerprints
from flights_day import DAY, FLIGHTS, of_file, of_table
from lakehold.tables.shadow import Audit
from running_platform import RunningPlatform
from shown_commands import DAY_AGAIN

Refused = tuple[RunningPlatform, dict[str, dict[str, str]], CompletedProcess[str]]

YEAR = (
    "select count(*) as flights, count(distinct carrier) as carriers, count(arr_delay) as arrived, "
    f"round(avg(arr_delay), 6) as mean, count_if(carrier = 'UA') as united from {FLIGHTS}"
)


def test_a_day_gives_exactly_its_files_rows(day_run: tuple[RunningPlatform, str], airline: Airline) -> None:
    platform, _ = day_run
    assert of_table(platform) == of_file(airline.rows(DAY))


@pytest.mark.parametrize("table", ["bronze.flights", "bronze.weather", "silver.flights", "gold.delays"])
def test_a_table_made_in_a_shadow_lies_below_its_layer(day_run: tuple[RunningPlatform, str], table: str) -> None:
    platform, _ = day_run
    files = platform.sql(f'select distinct "$path" as path from lakehouse.{table}')
    assert files
    # Spark names the place itself; Trino puts what dbt makes into the shadow's own folder.
    own = "audit-[0-9a-f]{12}/" if table.startswith("gold.") else ""
    schema, name = table.split(".")
    assert all(re.match(f"s3://lakehouse/{schema}/{own}{name}-", file["path"]) for file in files), files


def test_a_run_s_tables_are_read_by_its_tag(day_run: tuple[RunningPlatform, str], airline: Airline) -> None:
    platform, run = day_run
    tag = Audit(f"flights_daily/{run}", "gold").tag
    counted = {"bronze.flights": "count(*)", "silver.flights": "count(*)", "gold.delays": "sum(flights)"}
    flights = {
        table: platform.sql(f"select {number} as n from lakehouse.{table} for version as of '{tag}'")[0]["n"]
        for table, number in counted.items()
    }
    # Other days may have been loaded before or since; by the tag, all layers hold the same.
    assert len(set(flights.values())) == 1, flights
    [day] = platform.sql(
        f"select count(*) as n from {FLIGHTS} for version as of '{tag}' where flight_date = date '{DAY}'"
    )
    assert int(day["n"]) == len(airline.rows(DAY))


def test_a_truncated_file_is_quarantined_and_readers_keep_what_they_had(
    day_run: tuple[RunningPlatform, str], airline: Airline
) -> None:
    platform, _ = day_run
    before = fingerprints(platform)
    airline.deliver_cut("2013-01-02", 20_000)
    try:
        done = platform.run_days("2013-01-02", "2013-01-03", check=False)
    finally:
        airline.deliver("2013-01-02")
    assert done.returncode == 7
    assert "flights/2013-01-02.csv" in done.stdout + done.stderr
    assert "truncated" in done.stdout + done.stderr
    assert fingerprints(platform) == before


def test_a_gate_that_fails_keeps_readers_where_they_are(refused_run: Refused, airline: Airline) -> None:
    """What it leaves behind is cleared by the next run: that of the year."""
    platform, before, done = refused_run
    assert done.returncode == 7
    assert "bronze.gate failed" in done.stdout
    assert fingerprints(platform) == before
    [left] = platform.shadows()
    assert list(left["schemas"]) == ["bronze"]
    [rows] = platform.sql(
        f"select count(*) as n from lakehouse.{left['schemas']['bronze']}.flights where flight_date = date '{DAY}'"
    )
    assert int(rows["n"]) == 2 * len(airline.rows(DAY)), "what was refused can be looked at"
    for user in ("analyst", "dbt"):
        refused = platform.lakehold(
            "sql", "--user", user, f"select * from lakehouse.{left['schemas']['bronze']}.flights", check=False
        )
        assert "Access Denied" in refused.stderr


def test_the_days_of_a_year_in_one_interval_are_what_they_are_by_themselves(
    year: tuple[RunningPlatform, dict[str, str]], airline: Airline
) -> None:
    platform, alone = year
    assert fingerprint(platform, FLIGHTS, f"flight_date = date '{DAY}'") == alone
    [answer] = platform.sql(f"select count(*) as n from {FLIGHTS} where flight_date = date '2013-01-03'")
    assert int(answer["n"]) == len(airline.rows("2013-01-03"))


def test_the_year_has_the_known_answers(corrected: Corrected) -> None:
    """Loaded as one interval, and the day that was corrected since by itself."""
    [answer] = corrected.platform.sql(YEAR)
    assert answer == {
        "flights": "336776",
        "carriers": "16",
        "arrived": "327346",
        "mean": "6.895377",
        "united": "58665",
    }


def test_the_real_year_raises_no_alarm(corrected: Corrected) -> None:
    """What its gate says of the airline's files: neither a rule that stops nor one that warns was broken."""
    found = corrected.platform.sql(
        "select interval_from, rule, outcome, met, row_count, seen from ops.quality_results "
        f"where suite = 'bronze_flights' and dag_id = 'flights_daily' and (interval_from = date '{DAY_AGAIN}' "
        "or interval_to = date '2014-01-01')"
    )
    assert {row["interval_from"] for row in found} == {DAY, DAY_AGAIN}
    assert len({row["rule"] for row in found}) >= 15
    assert [row for row in found if (row["outcome"], row["met"]) != ("ok", "True")] == []


@pytest.mark.parametrize("producer", ["airflow", "spark", "trino"])
def test_every_engine_reported_its_lineage(day_run: tuple[RunningPlatform, str], producer: str) -> None:
    platform, _ = day_run
    events = platform.lakehold("lineage", "events", "--limit", "1000", "--json").stdout
    assert producer in events.lower()
