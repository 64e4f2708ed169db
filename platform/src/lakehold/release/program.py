"""Run a tool that takes a while, and end it when the fetch is stopped."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping

_LOOK = 0.2
"""Seconds between two looks at whether to stop."""
_PATIENCE = 10
"""Seconds a tool has to end by itself."""


def run(
    command: list[str], environment: Mapping[str, str], lock: int, check: Callable[[], None]
) -> tuple[int, list[str]]:
    """Run ``command`` to its end: its exit code and what it said on standard error, by line.

    ``lock`` is a file descriptor it inherits, so that a lock outlives a killed parent as long as the tool works.
    ``check`` is called now and then; when it raises, the tool is ended and the exception goes on.
    """
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=(lock,),
        )
        try:
            while True:
                try:
                    code = process.wait(_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    check()
        finally:
            _end(process)
        said.seek(0)
        return code, said.read().splitlines()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
