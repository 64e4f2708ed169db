"""What the README and the tutorial tell a reader to type does what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    ("words", "refused"), LINES.items(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_command_that_is_shown(day_run: tuple[RunningPlatform, str], words: tuple[str, ...], refused: bool) -> None:
    platform, _ = day_run
    done = platform.lakehold(*words, check=False)
    if refused:
        assert done.returncode == 7, done.stdout
        assert "Access Denied" in done.stderr
    else:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert done.stdout
