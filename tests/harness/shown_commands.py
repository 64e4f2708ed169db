"""The commands that README and tutorial tell a reader to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def _typed(page: str) -> list[str]:
    """The page's `lakehold …` lines, with their comments; not the one that stops everything."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (_ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("lakehold ") and not line.startswith("lakehold down")]


LINES = {
    tuple(shlex.split(line, comments=True)[1:]): "# is refused" in line
    for line in [*_typed("README.md"), *_typed("docs/tutorial/first-day.md")]
}
"""The words after ``lakehold``, and whether the page says that they are refused."""
RUNS = [words for words in LINES if words[0] == "run"]
"""Those that run a day again."""
DAY_AGAIN = "2013-12-24"
"""The day that is run again."""
