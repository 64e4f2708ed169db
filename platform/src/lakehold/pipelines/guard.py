"""Run a command so that nothing of it outlives the process that asked for it.

``python -I -S guard.py PARENT GRACE COMMAND…`` starts the command and waits for it. When it is sent SIGTERM, or when
the process PARENT dies in whatever way, every descendant of the command gets SIGTERM, and after GRACE seconds SIGKILL;
also those that made a session of their own, because orphans come back to this process (a "child subreaper"). What the
command leaves running when it ends by itself is ended too. The exit code is the command's, or 128 + its signal.

A file of its own without imports of ours: it starts in 20 ms. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_NO_PROGRAM = 127  # as a shell reports it


_STOP = frozenset({signal.SIGTERM, signal.SIGINT})


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; may raise :class:`OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def descendants(root: int) -> list[int]:
    """All processes below ``root``, as the kernel knows them now (zombies excluded)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may hold spaces and parentheses; the fields after the last one do not.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended meanwhile
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def reap() -> dict[int, int]:
    """Collect every child that has ended; returns pid → exit code, negative for a signal."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _signal_all(number: int) -> None:
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_descendants(grace: float) -> None:
    """End everything below this process; returns when nothing is left."""
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while descendants(os.getpid()):
        reap()
        if time.monotonic() > deadline:
            _signal_all(signal.SIGKILL)
        time.sleep(0.05)
    reap()


def _start(command: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], command)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.stderr.flush()
    os._exit(_NO_PROGRAM)


def guard(parent: int, grace: float, command: list[str]) -> int:
    """Run ``command`` to its end or until a stop is asked for; returns its exit code."""
    # Signals are waited for, not handled: none can come at a bad moment.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *_STOP})
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    code = -int(signal.SIGTERM)
    if os.getppid() == parent:  # otherwise it died before the kernel knew that we care
        child = _start(command)
        while signal.sigwait({signal.SIGCHLD, *_STOP}) not in _STOP:
            ended = reap()
            if child in ended:
                code = ended[child]
                break
    end_descendants(grace)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
