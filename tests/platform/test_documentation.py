"""What the README and the tutorial tell a reader to type does what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from fingerprints import fingerprints
from running_platform import RunningPlatform

ROOT = Path(__file__).parents[2]


def typed(page: str) -> list[str]:
    """The page's `lakehold …` lines, with their comments; not the one that stops everything."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("lakehold ") and not line.startswith("lakehold down")]


LINES = {
    tuple(shlex.split(line, comments=True)[1:]): "# is refused" in line
    for line in [*typed("README.md"), *typed("docs/tutorial/first-day.md")]
}
RUNS = [words for words in LINES if words[0] == "run"]


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


def test_a_run_that_is_shown_changes_nothing(year: tuple[RunningPlatform, dict[str, str]]) -> None:
    """A day of the year that has been loaded as one interval is run by itself, as both pages tell the reader to."""
    platform, _ = year
    before = fingerprints(platform)
    assert RUNS
    for words in RUNS:
        assert platform.lakehold(*words).stdout
    assert fingerprints(platform) == before
