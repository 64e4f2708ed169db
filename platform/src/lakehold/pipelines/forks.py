"""Let forked processes die with the process that forked them (Linux).

Airflow's LocalExecutor forks workers, which fork tasks. When the scheduler is killed, its idle workers would wait for
ever, and its tasks would go on while the next scheduler starts them a second time. The kernel can prevent both.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading

_PR_SET_PDEATHSIG = 1


def set_parent_death_signal(number: int) -> None:
    """Have the kernel send this process ``number`` when the thread that forked it ends; may raise :class:`OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def die_with_parent() -> None:
    """From now on every child forked by the main thread, and their children, are killed when their parent dies.

    Forks of other threads are left alone: the signal comes with the end of the forking thread, not of the process.
    """
    forked: dict[str, int] = {}

    def before() -> None:
        by_main_thread = threading.get_native_id() == os.getpid()
        forked["parent"] = os.getpid() if by_main_thread else 0

    def after_in_child() -> None:
        if not forked["parent"]:
            return
        set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != forked["parent"]:
            os._exit(1)  # the parent died before the kernel knew that we care

    os.register_at_fork(before=before, after_in_child=after_in_child)
