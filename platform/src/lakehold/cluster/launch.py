"""Start what ``configure`` wrote. Run by ``python -I -S``; standard library only.

``launch.py NAME`` becomes a process (``exec``), so that it gets the pod's signals itself. ``launch.py --task SECONDS
NAME`` runs a task as a child, because it may be given something on standard input and may have to be tried again: what
it needs is perhaps still starting. ``launch.py --reach SECONDS HOST:PORT…`` waits until somebody listens there, which a
Service's address tells for next to nothing. ``launch.py --like NAME COMMAND…`` becomes a command that somebody else
gives.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

RUN = Path("/var/lib/lakehold/run")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 8.0
_CONNECT_SECONDS = 3.0
_STOPPED = 128 + signal.SIGTERM
_FAILED = 1
_KEPT = ("KUBERNETES_", "AIRFLOW_IS_")
"""Beginnings of the only variables that reach a program from its pod: where the cluster's API is, and what Airflow says
that a task's pod is."""


def environment_of(spec: dict[str, Any]) -> dict[str, str]:
    """Return all a program gets to see of its environment."""
    return {**{key: value for key, value in os.environ.items() if key.startswith(_KEPT)}, **spec["environment"]}


def become(spec: dict[str, Any]) -> NoReturn:
    """Replace this process by the declared one."""
    os.chdir(spec["directory"])
    os.execvpe(spec["command"][0], spec["command"], environment_of(spec))  # noqa: S606 - a declared argument list


def attempt(spec: dict[str, Any]) -> int:
    """Run a task to its end, once; when we are told to stop, so is it."""
    child: subprocess.Popen[str] | None = None

    def stop(_number: int, _frame: FrameType | None) -> None:
        if child is not None:
            child.terminate()
        raise SystemExit(_STOPPED)

    # The first process of a container has no default for signals: without a handler it would not even notice.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        child = subprocess.Popen(
            spec["command"], env=environment_of(spec), cwd=spec["directory"], stdin=subprocess.PIPE, text=True
        )
        child.communicate(spec["stdin"])
    except SystemExit:
        if child is not None:
            child.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return child.returncode


def until_done(
    run: Callable[[], int], seconds: float, *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> int:
    """Try until it succeeds or the time is up, after pauses that grow; the last exit code."""
    end, pause = clock() + seconds, _FIRST_PAUSE
    while (code := run()) != 0 and clock() + pause <= end:
        sys.stdout.write(f"not yet (exit code {code}); trying again in {pause:.0f} s\n")
        sys.stdout.flush()
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return code


def listens(address: str) -> bool:
    """Whether somebody takes connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            return True
    except OSError as error:
        sys.stdout.write(f"{address}: {error}\n")
        return False


def reach(addresses: Sequence[str]) -> int:
    """Exit code 0 when all of them take connections."""
    return 0 if all(listens(address) for address in addresses) else _FAILED


def load(name: str) -> dict[str, Any]:
    """Read what was written under this name."""
    spec: dict[str, Any] = json.loads((RUN / f"{name}.json").read_text(encoding="utf-8"))
    return spec


def main(arguments: list[str]) -> int:
    """Become the process of this name, or another command in its environment; run the task of this name, or wait.

    What is tried is tried again for so many seconds (0: once).
    """
    if len(arguments) == 1:
        become(load(arguments[0]))
    flag, value, *rest = arguments
    if flag == "--like":
        become({**load(value), "command": rest})
    if flag == "--task":
        spec = load(rest[0])
        code = until_done(lambda: attempt(spec), float(value), clock=time.monotonic, sleep=time.sleep)
        # A child that a signal ended has a negative code, which is none for an exit.
        return _FAILED if code < 0 else code
    if flag == "--reach":
        # The first process of a container has no default for signals.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_STOPPED))
        return until_done(lambda: reach(rest), float(value), clock=time.monotonic, sleep=time.sleep)
    raise SystemExit(f"unknown option {flag}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
