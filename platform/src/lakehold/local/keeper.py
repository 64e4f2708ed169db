"""The keeper: a tiny program that supervisord runs, and that brings supervisord back when somebody kills it.

supervisord restarts the keeper, the keeper restarts supervisord. It sleeps in the kernel until its parent ends; if that
was not ``lakehold down``, it calls ``up`` again for what was running; the new supervisord has a keeper of its own.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from lakehold.local import proc


def wait_for_end(pid: int) -> None:
    """Sleep until process ``pid`` has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    os.close(descriptor)


def main() -> None:
    """Wait for supervisord's end, then become ``lakehold.local.revive``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    state = Path(os.environ[proc.STATE_VARIABLE])
    parent = os.getppid()
    if proc.markers(parent) == (str(state), "supervisord"):
        wait_for_end(parent)
    if (state / "run" / "stopping").exists():
        return
    # supervisord's pipe went with it, so what happens next is written to a file of its own.
    log = os.open(state / "logs" / "revive.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execv(sys.executable, [sys.executable, "-m", "lakehold.local.revive"])  # noqa: S606  # the keeper's work is done


if __name__ == "__main__":
    main()
