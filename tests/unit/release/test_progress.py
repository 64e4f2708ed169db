"""What a fetch tells: enough for a log, nothing too often."""

from __future__ import annotations

import io

from lakehold.release.progress import Lines, megabytes, showing
from rich.console import Console


class Clock:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines() -> None:
    clock, said = Clock(), list[str]()
    lines = Lines(said.append, clock=clock)
    lines.step("trino", "downloading", 800_000_000)
    for _second in range(10):
        clock.now += 1
        lines.moved("trino", 40_000_000)
    lines.step("trino", "unpacking")
    lines.moved("trino", 5)
    lines.done("trino", "476 is in the store")
    assert said == [
        "trino: downloading (800.0 MB)",
        "trino: downloading 25 % of 800.0 MB",
        "trino: downloading 50 % of 800.0 MB",
        "trino: unpacking",
        "trino: 476 is in the store",
    ]


def test_a_long_silence_is_broken() -> None:
    clock, said = Clock(), list[str]()
    lines = Lines(said.append, clock=clock)
    lines.step("versitygw", "building")
    lines.step("airflow", "installing")
    for _beat in range(15):
        clock.now += 2
        lines.beat()
    assert said[2:] == [
        f"still at it: versitygw (building, {at} s), airflow (installing, {at} s)" for at in (10, 20, 30)
    ]
    lines.done("versitygw", "built")
    clock.now += 10
    lines.beat()
    assert said[-1] == "still at it: airflow (installing, 40 s)"


def test_a_terminal_gets_bars_and_a_file_gets_lines() -> None:
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        with showing(console) as progress:
            progress.step("trino", "downloading", 100)
            progress.moved("trino", 100)
            progress.beat()
            progress.done("trino", "476 is in the store")
        text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above
        assert "476 is in the store" in text
        assert ("\x1b" in text) == terminal
        assert ("trino: downloading (0.0 MB)" in text) == (not terminal)


def test_sizes() -> None:
    assert [megabytes(size) for size in (500, 14_987_378, 2_000_000_000)] == ["0.0 MB", "15.0 MB", "2.0 GB"]
