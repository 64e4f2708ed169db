"""A day of a loaded year whose file is corrected: run again, and looked at before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from fingerprints import fingerprints
from running_platform import RunningPlatform
from shown_commands import DAY_AGAIN, RUNS

TOTALS = {f"lakehouse.gold.{name}" for name in ("aircraft_use", "routes", "weather_impact")}
"""Marts whose rows are of all days together."""
_COLUMNS = ("carrier", "flight", "tailnum", "origin", "dest", "dep_delay", "arr_delay", "air_time", "distance")

Flights = Counter[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """What the commands that are shown did to the day, and to the rest: checksums of all tables without the day."""

    platform: RunningPlatform
    said: list[str]
    was: Flights
    now: Flights
    before: dict[str, dict[str, str]]
    after: dict[str, dict[str, str]]

    @classmethod
    def by_commands(cls, platform: RunningPlatform) -> Self:
        """Run the commands."""
        was, before = _flights(platform), fingerprints(platform, without=DAY_AGAIN)
        said = [platform.lakehold(*words).stdout for words in RUNS]
        now, after = _flights(platform), fingerprints(platform, without=DAY_AGAIN)
        return cls(platform=platform, said=said, was=was, now=now, before=before, after=after)


def flights_of(rows: Iterable[Mapping[str, str]]) -> Flights:
    """The flights of a file's rows, or of a table's; a missing value is empty."""
    return Counter(tuple("" if row[name] == "NA" else row[name] for name in _COLUMNS) for row in rows)


def _flights(platform: RunningPlatform) -> Flights:
    listed = ", ".join(_COLUMNS)
    return flights_of(platform.sql(f"select {listed} from silver.flights where flight_date = date '{DAY_AGAIN}'"))
