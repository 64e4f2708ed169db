"""Run a component's task to its end, with a time limit, its output in a log of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lakehold.components.model import Task
from lakehold.errors import StartError
from lakehold.local import diagnosis, proc
from lakehold.local.files import write_atomic
from lakehold.local.launch import Spec
from lakehold.local.materialise import spec_path

_POLL_SECONDS = 0.1
_KILL_SECONDS = 3.0
_LOG_LIMIT = 5 << 20


def run_task(task: Task, spec: Spec, text: str, *, patience: float, cancelled: Callable[[], bool]) -> None:
    """Run ``task`` with ``text`` on its standard input; :class:`StartError` with its last lines when it fails."""
    state = Path(spec.state)
    path = spec_path(state, spec)
    write_atomic(path, spec.dumps())
    log = state / "logs" / f"{spec.name}.log"
    if diagnosis.size(log) > _LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    offset = diagnosis.size(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lakehold.local.launch", "--once", str(path)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={proc.STATE_VARIABLE: spec.state, proc.PROCESS_VARIABLE: spec.name},
            # Ctrl-C is for us to handle: a task is ended in good order.
            start_new_session=True,
        )
    threading.Thread(target=_feed, args=(process, text.encode()), daemon=True).start()
    failure = _wait(process, task.timeout_seconds * patience, cancelled)
    if failure:
        lines = diagnosis.tail(log, since=offset)
        raise StartError(
            f"{spec.component} did not start: its task {spec.name} {failure}.",
            why="\n          ".join(lines) or "it said nothing",
            remedy=diagnosis.remedy(lines, f"less {log}, then: lakehold up {spec.component}"),
        )


def _wait(process: subprocess.Popen[bytes], seconds: float, cancelled: Callable[[], bool]) -> str | None:
    """Wait for the end; return how it failed, ``None`` if it did not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            code = process.wait(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if cancelled():
                _end(process)
                return "was interrupted"
            if time.monotonic() > deadline:
                _end(process)
                return f"took longer than {seconds:.0f} s"
            continue
        return None if code == 0 else f"failed with exit code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    everything = proc.all_processes()
    below = proc.descendants(process.pid, everything)
    proc.end([seen for seen in everything if seen.pid in below], signal.SIGTERM, _KILL_SECONDS)
    process.wait()


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        return  # the task did not want its input; its exit code tells the rest
