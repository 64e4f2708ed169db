"""The whole platform, up once for all platform tests, in a state directory of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from airline import Airline
from correction import Corrected
from fingerprints import fingerprint, fingerprints
from running_platform import RunningPlatform
from shown_commands import DAY_AGAIN


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move what needs the whole year to the end: with a day in the tables, the runs before it are shorter."""
    last = ("refused_run", "year")  # the second stands on the first
    items.sort(key=lambda item: sum(name in getattr(item, "fixturenames", ()) for name in last))


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    with tempfile.TemporaryDirectory(prefix="lakehold-") as folder:
        running = RunningPlatform(Path(folder) / "state")
        try:
            running.lakehold("up")
            yield running
        finally:
            running.lakehold("down", timeout=120)
        assert [process.pid for process in running.processes()] == [], "lakehold down left processes"


@pytest.fixture(scope="session")
def airline(platform: RunningPlatform) -> Airline:
    """The landing bucket holds the whole year."""
    airline = Airline(platform)
    airline.deliver_all()
    return airline


@pytest.fixture(scope="session")
def day_run(platform: RunningPlatform, airline: Airline) -> tuple[RunningPlatform, str]:
    """The first day has been run; the platform and the run's name."""
    assert airline.rows("2013-01-01")
    printed = platform.run_days("2013-01-01", "2013-01-02").stdout
    return platform, printed.split()[1]


@pytest.fixture(scope="session")
def refused_run(
    day_run: tuple[RunningPlatform, str], airline: Airline
) -> tuple[RunningPlatform, dict[str, dict[str, str]], subprocess.CompletedProcess[str]]:
    """The first day has been run with every flight twice; the platform, all checksums from before, and what was said.

    By now the file is as it was.
    """
    platform, _ = day_run
    before = fingerprints(platform)
    airline.deliver_twice("2013-01-01")
    try:
        done = platform.run_days("2013-01-01", "2013-01-02", check=False)
    finally:
        airline.deliver("2013-01-01")
    return platform, before, done


@pytest.fixture(scope="session")
def year(
    refused_run: tuple[RunningPlatform, object, object], airline: Airline
) -> tuple[RunningPlatform, dict[str, str]]:
    """The whole year has been run as one interval; the platform, and its first day's checksum from before.

    One day's file was a mistaken one; by now the true one has landed.
    """
    platform, *_ = refused_run
    assert len(airline.files) > 365
    assert platform.shadows()
    alone = fingerprint(platform, "lakehouse.silver.flights", "flight_date = date '2013-01-01'")
    airline.deliver_mistaken(DAY_AGAIN)
    try:
        platform.run_days("2013-01-01", "2014-01-01")
    finally:
        airline.deliver(DAY_AGAIN)
    assert platform.shadows() == [], "what the refused run left was to be cleared up by the next"
    return platform, alone


@pytest.fixture(scope="session")
def corrected(year: tuple[RunningPlatform, dict[str, str]]) -> Corrected:
    """The day whose file was corrected after the year has been run by itself, as README and tutorial show it."""
    return Corrected.by_commands(year[0])
