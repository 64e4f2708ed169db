"""The first thing a supervised process does: clear away what its predecessor left, then become the declared command.

Run as ``python -m lakehold.local.launch SPEC.json``; only the standard library, so that a start stays cheap.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakehold.local import proc

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ORPHAN_PATIENCE = 5.0
"""Seconds orphans get to finish; a predecessor that is still stopping in good order gets its own ``stop_seconds``."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A command ready to run. ``capabilities`` are kept by a process that is started as another user."""

    name: str
    component: str
    state: str
    command: list[str]
    environment: dict[str, str] = field(repr=False)
    directory: str
    user: str | None = None
    group: str | None = None
    capabilities: tuple[str, ...] = ()
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    fingerprint: str = ""

    def dumps(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def load_spec(path: Path) -> Spec:
    """Read what :meth:`Spec.dumps` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Spec(**{**raw, "capabilities": tuple(raw["capabilities"])})


def record_path(state: Path, name: str) -> Path:
    """Where a process's latest launch is recorded: pid, start, fingerprint, program and number of starts."""
    return state / "run" / "process" / f"{name}.json"


def recorded_programs(state: Path) -> frozenset[str]:
    """Return the programs the installation's processes were last launched with."""
    found = set()
    for path in (state / "run" / "process").glob("*.json"):
        record = _read(path)
        if record and isinstance(record.get("program"), str):
            found.add(record["program"])
    return frozenset(found)


def final_command(spec: Spec) -> list[str]:
    """Return the argument list to execute: the command itself, or by way of setpriv when it needs another user."""
    if spec.user is None:
        return spec.command
    kept = ",".join(f"+{name}" for name in spec.capabilities)
    capabilities = [f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}"] if kept else ["--inh-caps=-all"]
    return [
        "setpriv",
        f"--reuid={spec.user}",
        f"--regid={spec.group}",
        "--clear-groups",
        "--no-new-privs",
        *capabilities,
        # A change of user clears the parent death signal, so it is set again afterwards.
        f"--pdeathsig={spec.stop_signal}",
        *spec.command,
    ]


def clear_predecessors(spec: Spec, own_pid: int) -> list[int]:
    """End what an earlier launch of the same process left behind; return the pids that were ended."""
    state = Path(spec.state)
    record = _read(record_path(state, spec.name)) or {}
    program = record.get("program")
    installation = proc.Installation(state, frozenset([program] if isinstance(program, str) else []))
    found = [seen for seen, owner in installation.members().items() if owner in (spec.name, "") and seen.pid != own_pid]
    predecessor = any(seen.pid == record.get("pid") and seen.started == record.get("started") for seen in found)
    number = signal.Signals[f"SIG{spec.stop_signal}"] if predecessor else signal.SIGTERM
    proc.end(found, number, spec.stop_seconds if predecessor else _ORPHAN_PATIENCE)
    return [seen.pid for seen in found]


def record_launch(spec: Spec, pid: int) -> None:
    """Note who runs now, so that the next launch (or ``lakehold down``) can find its remains."""
    path = record_path(Path(spec.state), spec.name)
    previous = _read(path) or {}
    seen = proc.see(pid)
    record = {
        "pid": pid,
        "started": seen.started if seen else 0,
        "fingerprint": spec.fingerprint,
        "program": os.path.realpath(spec.command[0]),  # compared with the text of /proc/PID/exe
        "starts": int(previous.get("starts", 0)) + 1,
    }
    temporary = path.with_name(f".{path.name}.{pid}")
    temporary.write_text(json.dumps(record), encoding="utf-8")
    temporary.replace(path)


def die_with_parent(number: int, parent: int) -> None:
    """Have the kernel send ``number`` to this process when its parent dies; exit now if that has happened already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("launch: the supervisor died while this process was starting")


def run(spec: Spec, *, record: bool) -> None:
    """Become the command of ``spec``; does not return."""
    parent = os.getppid()
    os.umask(0o077)
    if record:
        ended = clear_predecessors(spec, os.getpid())
        if ended:
            sys.stderr.write(f"launch: ended what was left of an earlier {spec.name}: pids {ended}\n")
        record_launch(spec, os.getpid())
    die_with_parent(signal.Signals[f"SIG{spec.stop_signal}"], parent)
    os.chdir(spec.directory)
    command = final_command(spec)
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, spec.environment)  # noqa: S606  # becoming another program is the purpose
    except OSError as error:
        raise SystemExit(f"launch: cannot run {command[0]}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def main() -> None:
    """Entry point: ``launch SPEC`` for a supervised process, ``launch --once SPEC`` for a task."""
    once = sys.argv[1] == "--once"
    run(load_spec(Path(sys.argv[2] if once else sys.argv[1])), record=not once)


if __name__ == "__main__":
    main()
