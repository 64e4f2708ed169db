"""The warm engine with real processes: a command in it is as good as one of its own, and ends as surely."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from lakehold.pipelines import warm, warm_client

SOURCE = Path(warm.__file__).parents[2]
CLIENT = [sys.executable, "-I", "-S", warm_client.__file__]
SERVER = """
import sys, time
from pathlib import Path
from lakehold.pipelines.warm import forget_ours, serve

def load():
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    import colorsys
    sys.loaded_before = True
    forget_ours()

serve(Path(sys.argv[1]), load)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Engine:
    """A warm engine, and modules to run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Longer than a socket's name may be.
        self.socket = folder / ("d" * 100) / warm_client.SOCKET
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.socket), str(folder / "go")],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        until(lambda: subprocess.run([*CLIENT, "--check", str(self.socket)], check=False).returncode == 0, "a socket")

    def ready(self) -> None:
        """Let it load its libraries."""
        (self.folder / "go").touch()
        (self.folder / "warm.py").write_text("import sys; sys.exit(0 if hasattr(sys, 'loaded_before') else 9)")
        until(lambda: self.start("warm").wait() == 0, "a warm engine")

    def start(self, module: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a module as Airflow's operators do, less the guard."""
        return subprocess.Popen(
            [*CLIENT, str(self.socket), sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": str(self.folder), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Run a program to its end; returns its exit code and what it said."""
        (self.folder / "program.py").write_text(source)
        process = self.start("program", *arguments, **environ)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.process.kill()
    engine.process.wait()


@pytest.fixture
def engine(cold: Engine) -> Engine:
    cold.ready()
    return cold


SAY = """
import os, sys
print(sys.argv[1:], os.getcwd(), sorted(k for k in os.environ if k[:2] == "X_"), os.environ.get("X_A"))
print(__name__, hasattr(sys, "loaded_before"), "colorsys" in sys.modules, file=sys.stderr)
"""


def test_a_command_has_its_callers_streams_folder_environment_and_libraries(engine: Engine) -> None:
    code, out, err = engine.run(SAY, "one", "two words", X_A="a")
    assert (code, out) == (0, f"['one', 'two words'] {engine.folder} ['X_A'] a\n")
    assert err == "__main__ True True\n"
    assert engine.run(SAY)[1].endswith("[] None\n"), "the environment of the command before is gone"


def test_an_engine_that_is_not_ready_or_not_there_costs_nothing_but_time(cold: Engine) -> None:
    assert cold.run(SAY, X_A="a")[2] == "__main__ False False\n"
    cold.process.kill()
    cold.process.wait()
    assert cold.run(SAY, X_A="a")[0] == 0


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("import os; os.kill(os.getpid(), 9)", 137, ""),
        ("import atexit; atexit.register(print, 'over')", 0, ""),
    ],
)
def test_exit_codes_are_the_commands_own(engine: Engine, source: str, code: int, words: str) -> None:
    found, out, err = engine.run(source)
    assert (found, err) == (code, words)
    assert out == ("over\n" if "atexit" in source else "")


def test_a_failure_is_told_as_python_tells_it(engine: Engine) -> None:
    code, _, err = engine.run("def f(): raise ValueError('why')\nf()")
    assert code == 1
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: why\n")


def test_our_own_code_is_read_when_the_command_starts(engine: Engine) -> None:
    ours = engine.folder / "lakehold"
    ours.mkdir()
    for number in (1, 2):
        (ours / "__init__.py").write_text(f"NUMBER = {number}  {'#' * number}")
        assert engine.run("import lakehold; print(lakehold.NUMBER)")[1] == f"{number}\n"


STAY = """
import os, signal, sys, time
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
print(os.getpid(), child, flush=True)
time.sleep(1000)
"""


def staying(engine: Engine, how: str) -> tuple[subprocess.Popen[str], list[int]]:
    (engine.folder / "stay.py").write_text(STAY)
    process = engine.start("stay", how)
    assert process.stdout is not None
    return process, [int(part) for part in process.stdout.readline().split()]


def gone(pids: list[int]) -> bool:
    return not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_a_stop_is_passed_on_and_waited_for(engine: Engine) -> None:
    process, pids = staying(engine, "polite")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert gone(pids)


@pytest.mark.parametrize("victim", ["caller", "engine"])
def test_nothing_outlives_its_caller_or_the_engine(engine: Engine, victim: str) -> None:
    process, pids = staying(engine, "deaf")
    (process if victim == "caller" else engine.process).kill()
    until(lambda: gone(pids), "the end of the command and of all it started")
    assert process.wait(timeout=60) == (-signal.SIGKILL if victim == "caller" else 128 + signal.SIGTERM)


def test_the_engine_goes_on_when_a_command_is_killed(engine: Engine) -> None:
    process, _ = staying(engine, "deaf")
    process.kill()
    process.wait()
    assert engine.run("print(1)")[:2] == (0, "1\n")


def test_only_programs_of_the_engine_go_by_way_of_it(tmp_path: Path) -> None:
    other = ["/java", "-m", "x"]
    assert warm_client.wrapped(str(tmp_path), "/python", other) == other
    ours = warm_client.wrapped(str(tmp_path), "/python", ["/python", "-m", "x", "y"])
    assert ours[3:] == [warm_client.__file__, str(tmp_path / warm_client.SOCKET), "/python", "-m", "x", "y"]
