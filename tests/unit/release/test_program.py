"""Tools that take a while: their words, their exit, and their end when the fetch is stopped."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

import pytest
from lakehold.release.locking import locked
from lakehold.release.program import run


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_exit_code_and_words(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as lock:
        code, said = run(python("import sys; print('out'); sys.exit('one\\ntwo')"), {}, lock, lambda: None)
    assert (code, said) == (1, ["one", "two"])


def test_much_output_does_not_block(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as lock:
        code, said = run(python("import sys; sys.stderr.write('word\\n' * 200_000)"), {}, lock, lambda: None)
    assert (code, len(said)) == (0, 200_000)


def test_it_is_ended_when_the_fetch_is_stopped(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    class StoppedError(Exception):
        pass

    def check() -> None:
        if mark.exists() and mark.read_text(encoding="utf-8"):
            raise StoppedError

    program = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    begun = time.monotonic()
    with locked(tmp_path / "lock") as lock, pytest.raises(StoppedError):
        run(python(program), {}, lock, check)
    assert time.monotonic() - begun < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text(encoding="utf-8")), 0)


def test_a_tool_that_outlives_its_parent_keeps_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as lock:
        inherited = os.dup(lock)
    with path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(inherited)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_waiting_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with locked(tmp_path / "lock"), (tmp_path / "lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with locked(tmp_path / "lock", lambda: told.append("waited")):
        assert told == []
