"""The two jobs of the main job: the same table however it is loaded, and no bad file in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Flights

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]

ROWS = "count(*), to_hex(checksum(ROW(carrier, flight, arr_delay)))"
DAYS = ("2013-01-30", "2013-01-31", "2013-02-01", "2013-02-02")


@pytest.fixture(scope="module")
def loaded(airline: Flights) -> list[list[list[Any]]]:
    """What is in the tables: the days as one interval and one of them again; then all anew, as two, the later first."""
    airline.deliver(*DAYS)
    airline.load(DAYS[0], "2013-02-03", DAYS[1], DAYS[2])
    once = airline.fingerprint()
    airline.drop()
    airline.load(DAYS[1], "2013-02-03", DAYS[0], DAYS[1])
    return [once, airline.fingerprint()]


def test_one_interval_or_many_or_again_gives_the_same_rows(airline: Flights, loaded: list[list[list[Any]]]) -> None:
    once, in_parts = loaded
    assert [rows for rows, _ in once] == [sum(airline.year[f"flights/{day}.csv"].rows for day in DAYS)] * 2
    assert in_parts == once, "the rerun changed something, or another order of intervals gave other rows"


@pytest.mark.usefixtures("loaded")
def test_bad_files_are_quarantined_named_and_leave_their_days_alone(airline: Flights) -> None:
    airline.query(f"DELETE FROM bronze.flights WHERE flight_date <> DATE '{DAYS[0]}'")
    truth = airline.query(f"SELECT {ROWS} FROM bronze.flights")
    airline.send_body(DAYS[0], airline.body(DAYS[0])[:-40])
    airline.send_body(DAYS[1], airline.body(DAYS[1]).replace(b"arr_delay", b"arrival_delay", 1))
    airline.withdraw(DAYS[3])

    result = airline.job("bronze_flights", DAYS[0], "2013-02-03")

    assert result.returncode == 8
    # Spark passes on both streams of the program as its standard output.
    assert f"flights/{DAYS[0]}.csv: truncated: the last line has no end" in result.stdout
    assert f"flights/{DAYS[1]}.csv: header: expected" in result.stdout
    assert f"flights/{DAYS[3]}.csv: missing" in result.stdout
    by_day = "SELECT cast(flight_date AS varchar), count(*) FROM bronze.flights GROUP BY flight_date"
    assert sorted(dict(airline.query(by_day))) == [DAYS[0], DAYS[2]], (
        "the good day is loaded, the bad one keeps what it had"
    )
    kept = f"SELECT {ROWS} FROM bronze.flights WHERE flight_date = DATE '{DAYS[0]}'"
    assert airline.query(kept) == truth
    reports = _quarantined(airline, DAYS[0])
    assert [report["reasons"][0].split(":")[0] for report in reports] == ["truncated"]
    assert reports[0]["source"] == f"s3://landing/flights/{DAYS[0]}.csv"


def test_a_day_is_replaced_alone_and_a_stale_writer_is_refused(airline: Flights) -> None:
    result = airline.submit(Path(__file__).with_name("stale_part.py"))
    assert result.returncode == 0, result.stdout + result.stderr
    told = [line for line in result.stdout.splitlines() if line.split()[0] in ("replaced", "refused", "kept")]
    assert told == [
        "replaced [(1, 4), (2, 3)]",
        "refused True",
        "kept [(1, 4), (2, 3), (3, 5)]",
    ]


def _quarantined(airline: Flights, day: str) -> list[dict[str, list[str]]]:
    s3 = airline.s3("spark")
    found = s3.list_objects_v2(Bucket="quarantine", Prefix=f"flights/{day}/").get("Contents", [])
    keys = [entry["Key"] for entry in found]
    assert {key.rpartition(".")[2] for key in keys} == {"csv", "json"}
    bodies = [s3.get_object(Bucket="quarantine", Key=key)["Body"].read() for key in keys if key.endswith("json")]
    return [json.loads(body) for body in bodies]


@pytest.mark.usefixtures("loaded")
def test_a_job_tells_of_itself_by_a_file_and_below_its_task(airline: Flights) -> None:
    told = airline.told
    jobs = {event["run"]["runId"]: event["job"]["facets"]["jobType"]["jobType"] for event in told}
    parents = {event["run"]["runId"]: event["run"]["facets"]["parent"] for event in told}
    for run, parent in parents.items():
        above = parent["job"]["name"] if jobs[run] == "APPLICATION" else jobs[parent["run"]["runId"]]
        assert above in ("flights_daily.bronze.load", "APPLICATION")
        assert parent["root"]["job"]["name"] == "flights_daily"
    written = {
        identifier["name"]
        for event in told
        if event["eventType"] == "COMPLETE"
        for dataset in event["outputs"]
        for identifier in dataset["facets"].get("symlinks", {}).get("identifiers", ())
    }
    assert {"bronze.flights", "silver.flights"} <= written
