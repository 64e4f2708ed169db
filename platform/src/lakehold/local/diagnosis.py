"""From the last lines of a log to what the user can do about it."""

from __future__ import annotations

import re
from pathlib import Path

TAIL_LINES = 12
_READ = 64 * 1024

_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"No space left on device|ENOSPC|Disk quota exceeded", "free some disk space (df -h), then: lakehold up"),
    (
        r"Address already in use|BindException|could not bind",
        "lakehold doctor shows who holds the port; then: lakehold up",
    ),
    (
        r"UnsupportedClassVersionError|requires Java|Unrecognized (?:VM )?option|Java version",
        "lakehold pins verify, then: lakehold up",
    ),
    (
        r"OutOfMemoryError|Cannot allocate memory|insufficient memory|Could not reserve enough",
        "stop other programs or lower the heap in lakehold.toml ([trino] heap), then: lakehold up",
    ),
    (
        r"ClassNotFoundException|NoClassDefFoundError|invalid or corrupt|error while loading shared",
        "lakehold pins verify",
    ),
    (
        r"database files are incompatible|invalid (?:magic|primary checkpoint)|could not locate a valid checkpoint"
        r"|could not (?:read|open) file \"(?:global|base|pg_)|is not a valid data directory",
        "its data is damaged: restore a backup, or remove the state directory to begin anew (all tables are lost)",
    ),
    (r"Too many open files", "raise the limit (ulimit -n 65536), then: lakehold up"),
    (r"[Pp]ermission denied|Operation not permitted", "lakehold doctor checks owners and modes"),
)


def tail(path: Path, lines: int = TAIL_LINES, since: int = 0) -> list[str]:
    """Return the last lines of a log, none from before byte ``since``."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            # A log that is shorter than it was has been rotated.
            begin = max(since if since <= end else 0, end - _READ)
            file.seek(begin)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def remedy(lines: list[str], otherwise: str) -> str:
    """Return the command that mends what the lines complain about, else ``otherwise``."""
    text = "\n".join(lines)
    for pattern, advice in _REMEDIES:
        if re.search(pattern, text):
            return advice
    return otherwise


def size(path: Path) -> int:
    """Return a log's size in bytes; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0
