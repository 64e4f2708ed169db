from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import time
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.component


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def started_at(report: str, component: str, what: str) -> float:
    return next(float(line[1:7]) for line in report.splitlines() if f"{component} " in line and what in line)


def test_up_is_ordered_healthy_and_idempotent(checkout):
    report = checkout.run("up").stderr
    assert started_at(report, "alpha", "healthy") <= started_at(report, "beta", "beta-prepare")
    assert started_at(report, "alpha", "healthy") <= started_at(report, "gamma", "gamma-prepare")
    before = checkout.status()
    assert {before[name]["health"] for name in ("alpha", "beta", "gamma", "supervisord")} == {"healthy"}
    assert all(before[name]["memory"] > 1 << 20 for name in ("alpha", "beta", "gamma"))
    assert httpx.get(before["beta"]["url"]).status_code == 200

    begin = time.monotonic()
    again = checkout.run("up")
    took = time.monotonic() - begin
    after = checkout.status()
    assert [after[name]["pid"] for name in after] == [before[name]["pid"] for name in before]
    assert again.stderr.count("was running already") == 3
    assert lines(checkout.state / "data" / "alpha" / "prepared") == 1
    assert lines(checkout.state / "work" / "alpha-after") == 1
    assert took < 10 * max(1.0, os.getloadavg()[0] / 2)


def test_a_changed_file_restarts_only_its_own_process(checkout):
    checkout.run("up")
    before = checkout.status()
    checkout.change_components("GREETING {name}", "GREETING {name}{'!' * (name == 'gamma')}")
    checkout.run("up")
    after = checkout.status()
    assert after["gamma"]["pid"] != before["gamma"]["pid"]
    assert [after[name]["pid"] for name in ("alpha", "beta")] == [before[name]["pid"] for name in ("alpha", "beta")]


def test_a_named_component_brings_what_it_needs_and_takes_down_what_needs_it(checkout):
    checkout.run("up", "beta")
    health = {name: entry["health"] for name, entry in checkout.status().items()}
    assert (health["alpha"], health["beta"], health["gamma"]) == ("healthy", "healthy", "stopped")
    checkout.run("up")
    checkout.run("down", "beta")
    health = {name: entry["health"] for name, entry in checkout.status().items()}
    assert (health["alpha"], health["beta"], health["gamma"]) == ("healthy", "stopped", "healthy")
    checkout.run("down", "alpha")
    health = {name: entry["health"] for name, entry in checkout.status().items()}
    assert (health["alpha"], health["gamma"], health["supervisord"]) == ("stopped", "stopped", "stopped")


def test_down_leaves_no_process_and_the_state_directory_is_all_there_is(checkout):
    checkout.run("up")
    assert len(checkout.processes()) >= 5
    stopped = checkout.run("down").stdout
    assert "alpha" in stopped
    assert checkout.processes() == []
    assert sorted(path.name for path in checkout.path.iterdir()) == [".lakehold", "lakehold.toml"]
    assert "nothing was running" in checkout.run("down").stdout


def test_down_empties_the_folder_for_temporary_files(checkout):
    checkout.run("up", "alpha", "beta")
    temporary = checkout.state / "work" / "tmp"
    (temporary / "folder").mkdir()
    (temporary / "folder" / "left").touch()
    (temporary / "link").symlink_to(checkout.path)
    checkout.run("down", "beta")
    assert len(list(temporary.iterdir())) == 2
    checkout.run("down")
    assert list(temporary.iterdir()) == []
    assert (checkout.path / "lakehold.toml").exists()


def test_everything_is_closed_to_other_users_and_no_secret_is_on_a_command_line(checkout):
    checkout.run("up")
    assert stat.S_IMODE(checkout.state.stat().st_mode) == 0o700
    secrets = [path.read_text().strip() for path in (checkout.state / "secrets").iterdir()]
    assert len(secrets) == 3
    for path in [*(checkout.state / "secrets").iterdir(), *(checkout.state / "run" / "spec").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (checkout.state / "data" / "alpha" / "password").read_text() in secrets
    for process in checkout.processes():
        assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]


def test_processes_get_nothing_of_the_callers_environment(checkout):
    checkout.run("up", REQUESTS_CA_BUNDLE="/nowhere", PYTHONDONTWRITEBYTECODE="1", SECRET_OF_MINE="x")
    for process in checkout.processes():
        environment = process.environ()
        assert not {"REQUESTS_CA_BUNDLE", "PYTHONDONTWRITEBYTECODE", "SECRET_OF_MINE"} & set(environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as somebody else")
def test_a_process_that_must_not_be_root_is_not(checkout):
    checkout.run("up", "beta")
    status = Path(f"/proc/{checkout.pid('beta')}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[0] != "0"
    assert fields["Groups"].strip() == ""
    assert int(fields["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH, to pass folders that are closed to others
    assert fields["NoNewPrivs"].strip() == "1"
    assert (checkout.state / "data" / "beta").owner() == "nobody"


def test_two_checkouts_run_side_by_side(make_checkout):
    one = make_checkout("one")
    one.run("up")
    defaults = [json.loads((one.state / "ports.json").read_text())[name] for name in ("alpha", "beta", "gamma")]
    two = make_checkout("two", defaults)
    two.run("up")
    assert not set(json.loads((one.state / "ports.json").read_text()).values()) & set(
        json.loads((two.state / "ports.json").read_text()).values()
    )
    kept = (two.state / "ports.json").read_text()
    one.run("down")
    two.run("up")
    assert (two.state / "ports.json").read_text() == kept
    assert two.status()["alpha"]["health"] == "healthy"


def test_two_ups_at_once_agree(checkout):
    running = [checkout.start("up") for _ in range(2)]
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], results
    assert lines(checkout.state / "data" / "alpha" / "prepared") == 1
    assert len(checkout.running("supervisor.supervisord")) == 1


def test_down_interrupts_an_up_that_is_under_way(checkout):
    checkout.change_components('contains="GREETING"', 'contains="never"')
    up = checkout.start("up")
    while not (checkout.state / "logs" / "alpha.log").exists():
        time.sleep(0.1)
    begin = time.monotonic()
    checkout.run("down")
    assert time.monotonic() - begin < 20
    up.communicate(timeout=30)
    assert up.returncode == 130
    assert checkout.processes() == []


def test_a_deep_checkout_works(make_checkout):
    deep = make_checkout("/".join(["a-long-folder-name-for-a-checkout"] * 5))
    deep.run("up", "alpha")
    assert deep.status()["alpha"]["health"] == "healthy"
    deep.run("down")
    assert deep.processes() == []


def test_a_path_with_spaces_and_percent_signs_works(make_checkout):
    odd = make_checkout("a 100% odd ; folder #1")
    odd.run("up", "alpha")
    assert odd.status()["alpha"]["health"] == "healthy"


def test_a_copy_of_an_installation_is_refused_and_a_moved_one_is_not(make_checkout, tmp_path):
    one = make_checkout("one")
    one.run("up", "alpha")
    one.run("down")
    shutil.copytree(one.state, tmp_path / "copy")
    refused = one.run("up", "alpha", check=False, LAKEHOLD_STATE=str(tmp_path / "copy"))
    assert refused.returncode == 3
    assert f"is a copy of {one.state}" in refused.stderr
    one.state.rename(tmp_path / "moved")
    moved = one.run("up", "alpha", LAKEHOLD_STATE=str(tmp_path / "moved"))
    assert "healthy" in moved.stderr
    one.run("down", LAKEHOLD_STATE=str(tmp_path / "moved"))


def test_logs_and_their_following(checkout):
    checkout.run("up", "alpha")
    httpx.get(checkout.status()["alpha"]["url"] + "/index.html?first")
    assert "first" in checkout.run("logs", "alpha").stdout
    following = checkout.start("logs", "alpha", "-f", "-n", "0")
    assert following.stdout is not None
    time.sleep(2)
    httpx.get(checkout.status()["alpha"]["url"] + "/index.html?second")
    for line in following.stdout:
        if "second" in line:
            break
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=20)
    assert following.returncode == 130
    wrong = checkout.run("logs", "alfa", check=False)
    assert wrong.returncode == 3
    assert 'did you mean "alpha"?' in wrong.stderr


def test_doctor_finds_nothing_wrong_with_what_is_well(checkout):
    checkout.run("up")
    findings = json.loads(checkout.run("doctor", "--json").stdout)
    assert [finding for finding in findings if finding["level"] == "problem"] == []
    (checkout.state / "secrets" / "alpha.password").chmod(0o644)
    found = checkout.run("doctor", check=False)
    assert found.returncode == 1
    assert "secrets/alpha.password" in found.stdout
    assert f"chmod -R go= {checkout.state}" in found.stdout.replace("\n", "")


def test_doctor_sees_a_listener_off_loopback(checkout):
    checkout.change_components('ThreadingHTTPServer(("127.0.0.1"', 'ThreadingHTTPServer(("0.0.0.0"')
    checkout.run("up", "alpha")
    found = checkout.run("doctor", check=False)
    assert found.returncode == 1
    assert "alpha on 0.0.0.0" in found.stdout


def test_status_of_what_was_never_started(checkout):
    answer = checkout.run("status", check=False)
    assert answer.returncode == 6
    assert "remedy: lakehold up" in answer.stderr
    assert not checkout.state.exists()
