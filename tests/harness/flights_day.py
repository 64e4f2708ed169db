"""The first day of flights: what its file says, and what a platform's table does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

FLIGHTS = "lakehouse.silver.flights"
DAY = "2013-01-01"


class Asked(Protocol):
    """A platform, on one machine or on a cluster."""

    def sql(self, statement: str) -> list[dict[str, str]]:
        """Ask Trino; every value as text."""


def of_file(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Number of flights, how many arrived, and the sum of their delays, by the rows of delivered files."""
    delays = [row["arr_delay"] for row in rows]
    arrived = [int(delay) for delay in delays if delay not in {"", "NA"}]
    return {"n": str(len(delays)), "arrived": str(len(arrived)), "late": str(sum(arrived))}


def of_table(platform: Asked, where: str = f"flight_date = date '{DAY}'") -> dict[str, str]:
    """The same by what readers see."""
    [answer] = platform.sql(
        f"select count(*) as n, count(arr_delay) as arrived, sum(arr_delay) as late from {FLIGHTS} where {where}"
    )
    return answer
