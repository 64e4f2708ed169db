"""The guard with real processes: whatever ends it, nothing it started is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from lakehold.pipelines import guard

SCRIPT = Path(guard.__file__)
TREE = "setsid sleep {mark}1 & sleep {mark}2 & trap '' TERM; echo up; (sleep {mark}3; true); (sleep {mark}4; true)"


def guarded(*command: str, grace: str = "1", parent: int | None = None) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-I", "-S", str(SCRIPT), str(parent or os.getpid()), grace, *command]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture
def mark() -> str:
    """Digits that make this test's sleeping processes recognisable."""
    return f"9{os.getpid()}"


def sleeping(mark: str) -> list[int]:
    found = psutil.process_iter(["cmdline"])
    return [each.pid for each in found if any(mark in part for part in (each.info["cmdline"] or [])[1:2])]


def come_to(number: int, mark: str, seconds: float = 10) -> bool:
    """Wait until this many of the test's processes sleep."""
    deadline = time.monotonic() + seconds
    while len(sleeping(mark)) != number:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def gone(mark: str) -> bool:
    return come_to(0, mark)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    assert guarded("/bin/bash", "-c", script).wait(10) == code


def test_a_missing_program_is_named() -> None:
    process = guarded("/no/such/program")
    assert process.communicate(timeout=10)[0] == "/no/such/program: No such file or directory\n"
    assert process.returncode == 127


def test_what_the_command_leaves_running_is_ended(mark: str) -> None:
    assert guarded("/bin/bash", "-c", f"setsid sleep {mark}1 & exit 0").wait(10) == 0
    assert gone(mark)


@pytest.fixture
def tree(mark: str) -> Iterator[subprocess.Popen[str]]:
    process = guarded("/bin/bash", "-c", TREE.format(mark=mark))
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert come_to(3, mark)
    yield process
    process.kill()
    process.wait(10)


def test_sigterm_ends_the_whole_tree_stubborn_ones_too(tree: subprocess.Popen[str], mark: str) -> None:
    tree.terminate()
    assert tree.wait(10) == 128 + signal.SIGTERM
    assert gone(mark)


def test_the_death_of_the_parent_ends_the_whole_tree(mark: str) -> None:
    shell = TREE.format(mark=mark)
    program = (
        "import os, subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-I', '-S', {str(SCRIPT)!r}, str(os.getpid()), '1', '/bin/bash', '-c', "
        f"{shell!r}], start_new_session=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    assert come_to(3, mark)
    parent.kill()
    parent.wait(10)
    assert gone(mark)


def test_a_guard_whose_parent_is_dead_already_starts_nothing(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    assert guarded("/usr/bin/touch", str(touched), parent=1).wait(10) == 128 + signal.SIGTERM
    assert not touched.exists()
