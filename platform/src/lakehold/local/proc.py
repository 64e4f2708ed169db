"""Which running processes belong to an installation: told from ``/proc``, never guessed from a name.

Only the standard library: the launcher imports it before every start of a process.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STATE_VARIABLE = "LAKEHOLD_STATE"
PROCESS_VARIABLE = "LAKEHOLD_PROCESS"
"""Both together mark a process as ours. ``lakehold env`` never prints the second, so a user's shell is never marked."""


@dataclass(frozen=True)
class Seen:
    """A running process. ``started`` (clock ticks since boot) tells it from a later one with the same pid."""

    pid: int
    parent: int
    started: int


def see(pid: int) -> Seen | None:
    """Return the process, or ``None`` when it does not exist or is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may hold anything, so fields are counted from the last closing one; see proc(5).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Seen(pid, int(fields[1]), int(fields[19]))


def all_processes() -> list[Seen]:
    """Return every process on the machine."""
    return [seen for entry in os.listdir("/proc") if entry.isdigit() and (seen := see(int(entry)))]  # noqa: PTH208  # names are all we need


def markers(pid: int) -> tuple[str | None, str | None]:
    """Return the state directory and process name in a process's environment, as it was started."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None, None
    found: dict[str, str] = {}
    for entry in raw.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name in (STATE_VARIABLE.encode(), PROCESS_VARIABLE.encode()):
            found[name.decode()] = value.decode(errors="replace")
    return found.get(STATE_VARIABLE), found.get(PROCESS_VARIABLE)


def executable(pid: int) -> str | None:
    """Return the path of the program a process runs."""
    return _link(f"/proc/{pid}/exe")


def _link(path: str) -> str | None:
    try:
        return os.readlink(path).removesuffix(" (deleted)")  # noqa: PTH115  # Path.readlink would drop the suffix check
    except OSError:
        return None


@dataclass(frozen=True)
class Installation:
    """What a process must match to be ours: the state directory, and the programs its launches recorded."""

    state: Path
    programs: frozenset[str] = frozenset()

    def owner(self, pid: int) -> str | None:
        """Return the declared process ``pid`` is part of, ``""`` if only the installation is known, else ``None``.

        Marked by its environment; or, for programs that overwrite theirs to show a title (PostgreSQL's backends), by
        working in the installation's data folder with a recorded program and without a terminal.
        """
        state, name = markers(pid)
        if name and state == str(self.state):
            return name
        if state is not None or not self.programs or executable(pid) not in self.programs:
            return None
        working = _link(f"/proc/{pid}/cwd")
        inside = working is not None and Path(working).is_relative_to(self.state / "data")
        return "" if inside and not _has_terminal(pid) else None

    def members(self) -> dict[Seen, str]:
        """Return the installation's running processes with their owners, without the caller's own line of ancestors."""
        mine = lineage_of(os.getpid())
        everything = (seen for seen in all_processes() if seen.pid not in mine)
        return {seen: owner for seen in everything if (owner := self.owner(seen.pid)) is not None}


def _has_terminal(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[4] != "0"


def lineage_of(pid: int) -> set[int]:
    """Return ``pid`` and all its ancestors."""
    found: set[int] = set()
    current: Seen | None = see(pid)
    while current and current.pid not in found:
        found.add(current.pid)
        current = see(current.parent)
    return found


def descendants(root: int, everything: Iterable[Seen]) -> set[int]:
    """Return ``root`` and every process below it."""
    children: dict[int, list[int]] = {}
    for seen in everything:
        children.setdefault(seen.parent, []).append(seen.pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, []))
    return found


def still(seen: Seen) -> bool:
    """Whether exactly this process still runs."""
    now = see(seen.pid)
    return now is not None and now.started == seen.started


def end(targets: Iterable[Seen], number: int, patience: float) -> list[Seen]:
    """Send ``number`` to each target, after ``patience`` seconds SIGKILL; return those that needed the SIGKILL."""
    waiting = [seen for seen in targets if _signal(seen, number)]
    deadline = time.monotonic() + patience
    while (waiting := [seen for seen in waiting if still(seen)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = [seen for seen in waiting if _signal(seen, signal.SIGKILL)]
    deadline = time.monotonic() + 5
    while any(still(seen) for seen in killed) and time.monotonic() < deadline:
        time.sleep(0.02)
    return killed


def _signal(seen: Seen, number: int) -> bool:
    if not still(seen):
        return False
    try:
        os.kill(seen.pid, number)
    except ProcessLookupError:
        return False
    return True
