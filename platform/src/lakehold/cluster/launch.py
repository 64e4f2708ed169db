"""Start what ``configure`` wrote: ``python -I -S launch.py [--task SECONDS] NAME``; standard library only.

A process is become (``exec``), so that it gets the pod's signals itself. A task is a child, because it may be given
something on standard input and may have to be tried again: what it needs is perhaps still starting.
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
_KEPT = "KUBERNETES_"
"""The beginning of the only variables that reach a program from its pod: where the cluster's API is."""


def environment_of(spec: dict[str, Any]) -> dict[str, str]:
    """Return all a program gets to see of its environment."""
    return {**{key: value for key, value in os.environ.items() if key.startswith(_KEPT)}, **spec["environment"]}


def become(spec: dict[str, Any]) -> NoReturn:
    """Replace this process by the declared one."""
    os.chdir(spec["directory"])
    os.execve(spec["command"][0], spec["command"], environment_of(spec))  # noqa: S606 - a declared argument list


def attempt(spec: dict[str, Any]) -> int:
    """Run a task to its end, once; when we are told to stop, so is it."""
    child: subprocess.Popen[str] | None = None

    def stop(_number: int, _frame: FrameType | None) -> None:
        if child is not None:
            child.terminate()
        raise SystemExit(_STOPPED)

    # The first process of a container has no default for signals: without a handler it would not even notice.
    signal.signal(signal.SIGTERM, stop)
    child = subprocess.Popen(
        spec["command"], env=environment_of(spec), cwd=spec["directory"], stdin=subprocess.PIPE, text=True
    )
    try:
        child.communicate(spec["stdin"])
    except SystemExit:
        child.wait()
        raise
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


def main(arguments: list[str]) -> int:
    """Become the process of this name; or run the task, again and again if it fails, for so many seconds (0: once)."""
    *options, name = arguments
    spec = json.loads((RUN / f"{name}.json").read_text(encoding="utf-8"))
    if not options:
        become(spec)
    flag, seconds = options
    if flag != "--task":
        raise SystemExit(f"unknown option {flag}")
    code = until_done(lambda: attempt(spec), float(seconds), clock=time.monotonic, sleep=time.sleep)
    # A child that a signal ended has a negative code, which is none for an exit.
    return _FAILED if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
