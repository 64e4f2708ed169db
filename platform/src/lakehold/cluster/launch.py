"""Start what ``configure`` wrote. Run by ``python -I -S``; standard library only.

``launch.py NAME`` becomes a process (``exec``), so that it gets the pod's signals itself. ``launch.py --task SECONDS
NAME`` runs a task as a child, because it may be given something on standard input and may have to be tried again: what
it needs is perhaps still starting. ``launch.py --like NAME COMMAND…`` becomes a command that somebody else gives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

RUN = Path("/var/lib/lakehold/run")
_PAUSE = 2.0
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
    """Try until it succeeds or the time is up; the last exit code."""
    end = clock() + seconds
    while (code := run()) != 0 and clock() + _PAUSE < end:
        sys.stdout.write(f"not yet (exit code {code}); trying again in {_PAUSE:.0f} s\n")
        sys.stdout.flush()
        sleep(_PAUSE)
    return code


def load(name: str) -> dict[str, Any]:
    """Read what was written under this name."""
    spec: dict[str, Any] = json.loads((RUN / f"{name}.json").read_text(encoding="utf-8"))
    return spec


def main(arguments: list[str]) -> int:
    """Become the process of this name, or another command in its environment; or run the task of this name.

    A task is tried again for so many seconds (0: once).
    """
    if len(arguments) == 1:
        become(load(arguments[0]))
    flag, value, *rest = arguments
    if flag == "--like":
        become({**load(value), "command": rest})
    if flag != "--task":
        raise SystemExit(f"unknown option {flag}")
    spec, seconds = load(rest[0]), value
    code = until_done(lambda: attempt(spec), float(seconds), clock=time.monotonic, sleep=time.sleep)
    # A child that a signal ended has a negative code, which is none for an exit.
    return _FAILED if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
