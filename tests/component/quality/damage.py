"""Ways in which a delivered day can be damaged, on real files; and what must become of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

Row = dict[str, str]
Change = Callable[[list[Row]], list[Row]]


@dataclass(frozen=True)
class Damage:
    """``apply`` is given the file of a day of January and that of the day before."""

    kind: str
    apply: Callable[[bytes, bytes], bytes]
    stop: str
    """``job`` refuses the file, ``gate`` stops the run, ``quarantine`` moves the rows."""
    reason: str
    """Begins the job's reason, or is the rule."""


def rows(change: Change) -> Callable[[bytes, bytes], bytes]:
    """Damage that is about rows."""

    def apply(body: bytes, _: bytes) -> bytes:
        return written(change(read(body)))

    return apply


def read(body: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def written(changed: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, changed[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(changed)
    return text.getvalue().encode()


def every(number: int, **values: str) -> Change:
    """Set columns of every ``number``-th row."""
    return lambda found: [{**row, **values} if n % number == 0 else row for n, row in enumerate(found)]


def swapped(one: str, other: str) -> Change:
    return lambda found: [{**row, one: row[other], other: row[one]} for row in found]


def times(factor: float, *columns: str) -> Change:
    def scaled(row: Row) -> Row:
        return {**row, **{name: str(round(int(row[name]) * factor)) for name in columns if row[name] != "NA"}}

    return lambda found: [scaled(row) for row in found]


def hours_later(found: list[Row]) -> list[Row]:
    return [{**row, "time_hour": row["time_hour"].replace("T1", "T0").replace("T2", "T1")} for row in found]


def first(number: int, **values: str) -> Change:
    """Set columns of the first rows."""
    return lambda found: [{**row, **values} if n < number else row for n, row in enumerate(found)]


def yesterday_again(body: bytes, before: bytes) -> bytes:
    today = read(body)[0]
    date = f"{today['year']}-{int(today['month']):02}-{int(today['day']):02}"
    was = [{**row, "month": today["month"], "day": today["day"]} for row in read(before)]
    early = {"00", "01", "02", "03", "04"}
    after = f"{date[:-2]}{int(date[-2:]) + 1:02}"
    return written(
        [
            {**row, "time_hour": f"{after if row['time_hour'][11:13] in early else date}{row['time_hour'][10:]}"}
            for row in was
        ]
    )


DAMAGES = (
    Damage("nulls in a required column", rows(every(50, carrier="NA")), "job", "column carrier"),
    Damage(
        "nulls instead of arrivals",
        rows(every(2, arr_time="NA", arr_delay="NA", air_time="NA")),
        "gate",
        "who_left_also_arrives",
    ),
    Damage("nulls in half of what belongs together", rows(every(9, arr_delay="NA")), "gate", "known_together"),
    Damage("zeros instead of nulls", rows(every(1, arr_delay="0")), "gate", "delays_are_what_the_clock_says"),
    Damage("rows twice", rows(lambda found: found + found[10:15]), "gate", "one_row_a_flight"),
    Damage("a text where a number was", rows(first(1, dep_time="early")), "job", "unparsable"),
    Damage("a fraction where a number was", rows(first(1, distance="17.5")), "job", "unparsable"),
    Damage("columns that changed places, with their names", rows(swapped("origin", "dest")), "gate", "known_origin"),
    Damage(
        "delays that changed places", rows(swapped("dep_delay", "arr_delay")), "gate", "delays_are_what_the_clock_says"
    ),
    Damage("clocks that changed places", rows(swapped("dep_time", "sched_dep_time")), "job", "column sched_dep_time"),
    Damage("dates of another month", rows(every(1, month="7")), "job", "wrong day"),
    Damage("hours shifted by a time zone", rows(hours_later), "gate", "scheduled_when_it_says"),
    Damage("a file cut in a line", lambda body, _: body[:-40], "job", "truncated"),
    Damage("a file cut between lines", rows(lambda found: found[:-200]), "gate", "a_whole_day"),
    Damage("seconds instead of minutes", rows(times(60, "dep_delay", "arr_delay")), "gate", "plausible_delay"),
    Damage("kilometres instead of miles", rows(times(1.609, "distance")), "gate", "flown_at_the_speed_of_aircraft"),
    Damage(
        "hours in the air instead of minutes", rows(times(1 / 60, "air_time")), "gate", "flown_at_the_speed_of_aircraft"
    ),
    Damage("delays with the other sign", rows(times(-1, "arr_delay")), "gate", "delays_are_what_the_clock_says"),
    Damage("a carrier nobody knows, on three flights", rows(first(3, carrier="ZZ")), "quarantine", "known_carrier"),
    Damage("a carrier nobody knows, on most flights", rows(every(2, carrier="ZZ")), "gate", "known_carrier"),
    Damage("a clock that runs past the hour, twice", rows(first(2, arr_time="1275")), "quarantine", "clock_times"),
    Damage("letters that are in no code", rows(first(1, tailnum="N1é")), "gate", "codes_are_codes"),
    Damage("bytes of another encoding", lambda body, _: body.replace(b",N", b",\xe9", 1), "job", "unparsable"),
    Damage("codes with blanks", rows(every(7, dest="ORD ")), "gate", "codes_are_codes"),
    Damage("the day twice in its file", rows(lambda found: found + found), "gate", "one_row_a_flight"),
    Damage("the day before, with this day's date", yesterday_again, "gate", "not_the_day_before_again"),
    Damage("a file of nothing", lambda *_: b"", "job", "empty"),
    Damage("a header and no row", lambda body, _: body.partition(b"\n")[0] + b"\n", "job", "empty"),
    Damage(
        "an airport left out",
        rows(lambda found: [row for row in found if row["origin"] != "LGA"]),
        "gate",
        "a_whole_day",
    ),
    Damage(
        "a column by another name", lambda body, _: body.replace(b"arr_delay", b"arrival_delay", 1), "job", "header"
    ),
    Damage("a column more", rows(lambda found: [{**row, "gate": "B12"} for row in found]), "job", "header"),
    Damage(
        "a column less",
        rows(lambda found: [{k: v for k, v in row.items() if k != "air_time"} for row in found]),
        "job",
        "header",
    ),
    Damage("another separator", lambda body, _: body.replace(b",", b";"), "job", "header"),
)
"""Every kind, with what must become of it."""
