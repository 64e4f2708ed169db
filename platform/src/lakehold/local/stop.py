"""Take components down, in reverse order and within bounded time, and leave no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lakehold.components.model import Component
from lakehold.errors import LakeholdError
from lakehold.local import proc
from lakehold.local.files import locked, read_json, write_json
from lakehold.local.launch import recorded_programs
from lakehold.local.plan import dependents, levels
from lakehold.local.progress import Reporter
from lakehold.local.runtime import lock_path
from lakehold.local.supervisor import KEEPER, Supervisor

_SHUTDOWN_SECONDS = 10.0
_ORPHAN_SECONDS = 5.0
_INTERRUPT_SECONDS = 60.0


@dataclass(kw_only=True)
class Stopped:
    """What ``down`` did: processes it stopped in good order, and remains it had to end by pid."""

    processes: list[str] = field(default_factory=list)
    remains: list[str] = field(default_factory=list)


def down(state: Path, components: Sequence[Component], names: Iterable[str], reporter: Reporter) -> Stopped:
    """Stop the named components and all that need them; without names everything, supervisord included.

    An ``up`` that is under way is interrupted first. Running it twice, or with nothing running, is no error.
    """
    chosen = dependents(components, names)
    if not (state / "run").is_dir():
        return Stopped()
    everything = len(chosen) == len(components)
    with locked(lock_path(state), _interrupter(reporter)):
        stopped = Stopped()
        supervisor = Supervisor(state)
        if supervisor.pid() is not None:
            if everything:
                (state / "run" / "stopping").touch(mode=0o600)
                supervisor.stop(KEEPER)
            _stop_in_order(supervisor, chosen, reporter, stopped)
            if everything:
                _shut_down(supervisor)
        _forget(state, chosen)
        if everything:
            stopped.remains = end_remains(state)
            _empty(state / "work" / "tmp")
            for name in ("supervisor.sock", "supervisord.pid", "stopping"):
                (state / "run" / name).unlink(missing_ok=True)
    return stopped


def _interrupter(reporter: Reporter) -> Callable[[int | None], None]:
    """Ask whoever holds the lock to stop, once; give up when that does not help.

    By SIGTERM: a shell has its background jobs ignore the signal of Ctrl-C.
    """
    began: list[float] = []

    def on_wait(pid: int | None) -> None:
        if not began:
            began.append(time.monotonic())
            reporter.note(f"interrupting the lakehold command that is at work (pid {pid})")
            if pid is not None:
                os.kill(pid, signal.SIGTERM)
        elif time.monotonic() - began[0] > _INTERRUPT_SECONDS:
            raise LakeholdError(
                f"another lakehold command (pid {pid}) is still at work.", remedy=f"kill {pid}, then: lakehold down"
            )

    return on_wait


def _stop_in_order(supervisor: Supervisor, chosen: Sequence[Component], reporter: Reporter, stopped: Stopped) -> None:
    infos = supervisor.infos()

    def stop(component: Component) -> list[str]:
        here = [part for part in component.processes if part.name in infos and infos[part.name].wanted]
        if not here:
            return []
        reporter.phase(component.name, "stopping")
        begin = time.monotonic()
        with ThreadPoolExecutor(max_workers=len(here)) as pool:
            list(pool.map(lambda part: supervisor.stop(part.name), here))
        reporter.done(component.name, f"stopped after {time.monotonic() - begin:.1f} s")
        return [part.name for part in here]

    for level in reversed(levels(chosen)):
        with ThreadPoolExecutor(max_workers=len(level)) as pool:
            for names in pool.map(stop, level):
                stopped.processes.extend(names)


def _shut_down(supervisor: Supervisor) -> None:
    pid = supervisor.pid()
    seen = proc.see(pid) if pid else None
    if seen is None:
        return
    supervisor.shutdown()
    deadline = time.monotonic() + _SHUTDOWN_SECONDS
    while proc.still(seen) and time.monotonic() < deadline:
        time.sleep(0.05)
    proc.end([seen], signal.SIGKILL, 0)


def end_remains(state: Path) -> list[str]:
    """End every process of the installation that nobody supervises any more; return their names and pids."""
    installation = proc.Installation(state, recorded_programs(state))
    found = installation.members()
    # Whoever restarts others must go before those it would restart.
    keepers = [seen for seen, owner in found.items() if owner == "supervisord"]
    proc.end(keepers, signal.SIGKILL, 0)
    proc.end([seen for seen in found if seen not in keepers], signal.SIGTERM, _ORPHAN_SECONDS)
    late = installation.members()
    proc.end(late, signal.SIGKILL, 0)
    return [f"{owner or 'process'} (pid {seen.pid})" for seen, owner in {**found, **late}.items()]


def _empty(folder: Path) -> None:
    """Remove what killed processes left in the folder for temporary files."""
    for left in folder.iterdir() if folder.is_dir() else ():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _forget(state: Path, chosen: Sequence[Component]) -> None:
    """Take components off the keeper's list."""
    path = state / "run" / "wanted.json"
    wanted = read_json(path)
    if wanted is not None:
        gone = {component.name for component in chosen}
        write_json(path, {**wanted, "components": [name for name in wanted["components"] if name not in gone]})
