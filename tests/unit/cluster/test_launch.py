"""A task is tried until it succeeds or its time is up; a process is become."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lakehold.cluster import launch

_HERE = "import pathlib, sys; from lakehold.cluster import launch; launch.RUN = pathlib.Path(sys.argv[1]); "


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def outcome(codes: list[int], seconds: float) -> tuple[int, float]:
    clock, left = Clock(), iter(codes)
    return launch.until_done(lambda: next(left), seconds, clock=clock, sleep=clock.sleep), clock.now


def test_it_is_tried_until_it_is_done() -> None:
    assert outcome([1, 1, 0], 60) == (0, 1.0 + 2.0)


def test_without_time_it_is_tried_once() -> None:
    assert outcome([3], 0) == (3, 0.0)


def test_when_the_time_is_up_the_last_code_counts() -> None:
    assert outcome([1, 2, 3, 4], 5) == (3, 1.0 + 2.0)


def test_pauses_grow_to_a_limit() -> None:
    assert outcome([1] * 6 + [0], 3600) == (0, 1.0 + 2.0 + 4.0 + 8.0 + 8.0 + 8.0)


def test_it_waits_until_all_of_them_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert launch.reach([address, address]) == 0
    assert launch.reach([address]) == 1


def spec(path: Path, code: str, stdin: str = "") -> Path:
    body = {"command": [sys.executable, "-c", code], "environment": {"A": "b"}, "directory": str(path), "stdin": stdin}
    (path / "one.json").write_text(json.dumps(body), encoding="utf-8")
    return path


def test_a_task_gets_its_input_and_only_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREIGN", "1")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    code = (
        "import os, sys; "
        "sys.exit(sys.stdin.read() != 'hush' or os.environ['A'] != 'b' or 'FOREIGN' in os.environ"
        " or os.environ['KUBERNETES_SERVICE_HOST'] != '10.0.0.1')"
    )
    monkeypatch.setattr(launch, "RUN", spec(tmp_path, code, "hush"))
    assert launch.main(["--task", "0", "one"]) == 0


def test_a_task_that_a_signal_ended_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "RUN", spec(tmp_path, "import os; os.kill(os.getpid(), 9)"))
    assert launch.main(["--task", "0", "one"]) == 1


def test_a_process_is_become(tmp_path: Path) -> None:
    spec(tmp_path, "import os; print(os.getpid())")
    code = _HERE + "launch.main(['one'])"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


def test_a_command_of_somebody_else_has_a_process_s_environment(tmp_path: Path) -> None:
    spec(tmp_path, "")
    code = _HERE + "launch.main(['--like', 'one', sys.executable, '-c', 'import os; print(os.environ[\"A\"])'])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "b\n"


def test_an_unknown_option_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "RUN", spec(tmp_path, ""))
    with pytest.raises(SystemExit, match="--tusk"):
        launch.main(["--tusk", "0", "one"])


def test_a_task_ends_when_its_pod_is_told_to(tmp_path: Path) -> None:
    spec(tmp_path, "import time; print('up', flush=True); time.sleep(600)")
    code = _HERE + "sys.exit(launch.main(['--task', '600', 'one']))"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
