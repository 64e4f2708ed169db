from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lakehold.components.model import Http, Process
from lakehold.local import diagnosis, proc
from lakehold.local.launch import Spec, clear_predecessors, final_command, load_spec, record_launch, recorded_programs
from lakehold.local.supervisor import render, supervisor_environment

WEB = Process(
    name="web",
    command=lambda _s: ["x"],
    health=lambda _s: Http(url="http://127.0.0.1/"),
    memory_mb=1,
    stop_signal="INT",
    stop_seconds=7,
)


def spec(state: Path, **changes: object) -> Spec:
    values: dict[str, object] = {
        "name": "web",
        "component": "web",
        "state": str(state),
        "command": ["/bin/sleep", "1000"],
        "environment": {"A": "b"},
        "directory": str(state),
    }
    return Spec(**{**values, **changes})  # type: ignore[arg-type]  # the dataclass's own fields


def test_the_configuration_holds_no_path_that_could_need_quoting():
    text = render([WEB], as_root=False)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    assert parser["program:web"]["command"].endswith("lakehold.local.launch run/spec/web.json'")
    assert (parser["program:web"]["stopsignal"], parser["program:web"]["stopwaitsecs"]) == ("INT", "7")
    assert parser["program:web"]["autostart"] == "false"
    assert parser["program:keeper"]["autostart"] == "true"
    assert "user" not in parser["supervisord"]
    assert "user=root" in render([WEB], as_root=True)
    assert "%" not in text


def test_supervisord_gets_what_the_keeper_needs_and_no_more():
    environment = supervisor_environment(
        {"PATH": "/p", "HOME": "/h", "LAKEHOLD_TRINO_HEAP": "3G", "LAKEHOLD_PROCESS": "x", "REQUESTS_CA_BUNDLE": "/c"},
        Path("/s"),
    )
    assert environment == {
        "PATH": "/p",
        "HOME": "/h",
        "LAKEHOLD_TRINO_HEAP": "3G",
        "LAKEHOLD_PYTHON": sys.executable,
        "LAKEHOLD_STATE": "/s",
        "LAKEHOLD_PROCESS": "supervisord",
    }


def test_a_spec_survives_the_way_through_its_file(tmp_path):
    one = spec(tmp_path, user="nobody", group="65534", capabilities=("dac_read_search",))
    (tmp_path / "spec").write_text(one.dumps())
    assert load_spec(tmp_path / "spec") == one


def test_another_user_comes_by_setpriv_with_nothing_but_what_is_named(tmp_path):
    assert final_command(spec(tmp_path)) == ["/bin/sleep", "1000"]
    command = final_command(spec(tmp_path, user="nobody", group="65534", capabilities=("dac_read_search",)))
    assert command[0] == "setpriv"
    assert {"--reuid=nobody", "--regid=65534", "--clear-groups", "--no-new-privs", "--pdeathsig=TERM"} <= set(command)
    assert "--ambient-caps=-all,+dac_read_search" in command
    assert command[-2:] == ["/bin/sleep", "1000"]


@pytest.fixture
def sleeper():
    started: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["/bin/sleep", "1000"], env=environment, start_new_session=True))
        # For a moment after the program has begun, the kernel shows none of its environment.
        deadline = time.monotonic() + 30
        while environment and not Path(f"/proc/{started[-1].pid}/environ").read_bytes():
            assert time.monotonic() < deadline, "a process without its environment"
            time.sleep(0.01)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_only_marked_processes_are_ours(tmp_path, sleeper):
    ours = sleeper(LAKEHOLD_STATE=str(tmp_path), LAKEHOLD_PROCESS="web")
    user_shell = sleeper(LAKEHOLD_STATE=str(tmp_path))
    another = sleeper(LAKEHOLD_STATE="/elsewhere", LAKEHOLD_PROCESS="web")
    installation = proc.Installation(tmp_path, frozenset(["/bin/sleep"]))
    assert installation.owner(ours.pid) == "web"
    assert installation.owner(user_shell.pid) is None
    assert installation.owner(another.pid) is None
    assert installation.owner(os.getpid()) is None
    assert {seen.pid for seen in installation.members()} == {ours.pid}


def test_a_program_without_its_environment_is_known_by_where_it_works(tmp_path):
    data = tmp_path / "data" / "web"
    data.mkdir(parents=True)
    process = subprocess.Popen(["/bin/sleep", "1000"], env={}, cwd=data, start_new_session=True)
    try:
        program = proc.executable(process.pid)
        assert program is not None
        assert proc.Installation(tmp_path, frozenset([program])).owner(process.pid) == ""
        assert proc.Installation(tmp_path, frozenset(["/bin/other"])).owner(process.pid) is None
        assert proc.Installation(tmp_path).owner(process.pid) is None
    finally:
        process.kill()
        process.wait()


def test_predecessors_of_the_same_name_are_ended_and_others_live(tmp_path, sleeper):
    (tmp_path / "run" / "process").mkdir(parents=True)
    old = sleeper(LAKEHOLD_STATE=str(tmp_path), LAKEHOLD_PROCESS="web")
    other = sleeper(LAKEHOLD_STATE=str(tmp_path), LAKEHOLD_PROCESS="database")
    record_launch(spec(tmp_path), old.pid)
    assert clear_predecessors(spec(tmp_path), os.getpid()) == [old.pid]
    assert old.wait(5) == -signal.SIGTERM
    assert other.poll() is None
    assert recorded_programs(tmp_path) == {os.path.realpath("/bin/sleep")}


def test_a_process_that_ignores_the_signal_is_killed():
    stubborn = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(99)",
        ],
        stdout=subprocess.PIPE,
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    seen = proc.see(stubborn.pid)
    assert seen is not None
    assert proc.end([seen], signal.SIGTERM, 0.3) == [seen]
    assert stubborn.wait(5) == -signal.SIGKILL
    stubborn.stdout.close()


def test_a_later_process_with_the_same_pid_is_another(sleeper):
    seen = proc.see(sleeper().pid)
    assert seen is not None
    assert proc.still(seen)
    assert not proc.still(proc.Seen(seen.pid, seen.parent, seen.started - 1))


def test_the_tail_of_a_log_is_of_this_start_only(tmp_path):
    log = tmp_path / "log"
    log.write_text("old\n" * 3)
    since = diagnosis.size(log)
    with log.open("a") as file:
        file.write("new 1\n\nnew 2\n")
    assert diagnosis.tail(log, since=since) == ["new 1", "new 2"]
    assert diagnosis.tail(log, 1) == ["new 2"]
    log.write_text("after a rotation\n")
    assert diagnosis.tail(log, since=since + 100) == ["after a rotation"]
    assert diagnosis.tail(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("FATAL: could not write: No space left on device", "disk space"),
        ("java.lang.UnsupportedClassVersionError: io/trino/server", "pins verify"),
        ("java.lang.OutOfMemoryError: Java heap space", "heap"),
        ("PANIC:  could not locate a valid checkpoint record", "backup"),
        ("something else", "as a last resort"),
    ],
)
def test_the_remedy_fits_the_complaint(line, word):
    assert word in diagnosis.remedy([line], "as a last resort")
