"""kill -9 of everything in turn: it comes back, and nothing is left over."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

pytestmark = pytest.mark.component


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_killed_process_comes_back(checkout, name):
    checkout.run("up")
    before = checkout.pid(name)
    os.kill(before, signal.SIGKILL)
    checkout.wait_until(lambda: checkout.status()[name]["pid"] not in (None, before), f"{name} runs again")
    checkout.wait_until_healthy("alpha", "beta", "gamma")
    assert checkout.status()[name]["restarts"] == 1


def test_orphans_of_a_killed_process_are_ended_before_it_comes_back(checkout):
    checkout.run("up", "alpha")
    checkout.run("down", "alpha")
    (checkout.state / "data" / "alpha" / "child").touch()
    checkout.run("up", "alpha")
    (child,) = psutil.Process(checkout.pid("alpha")).children()
    assert child.cmdline() == ["/bin/sleep", "1000"]
    before = checkout.pid("alpha")
    os.kill(before, signal.SIGKILL)
    checkout.wait_until(lambda: not child.is_running(), "the orphan, in a session of its own, is ended")
    checkout.wait_until_healthy("alpha")
    assert f"pids [{child.pid}]" in checkout.run("logs", "alpha").stdout


def test_a_killed_supervisord_comes_back_with_everything_in_order(checkout):
    checkout.run("up")
    before = {process.pid for process in checkout.processes()}
    os.kill(checkout.supervisord(), signal.SIGKILL)
    checkout.wait_until(lambda: not [pid for pid in before if psutil.pid_exists(pid)], "nothing old is left")
    checkout.wait_until_healthy("alpha", "beta", "gamma", "supervisord")
    stopped = checkout.run("down")
    assert checkout.processes() == []
    assert "left over" not in stopped.stdout


def test_only_what_was_wanted_comes_back_with_supervisord(checkout):
    checkout.run("up")
    checkout.run("down", "gamma")
    os.kill(checkout.supervisord(), signal.SIGKILL)
    checkout.wait_until(lambda: (checkout.state / "logs" / "revive.log").exists(), "the keeper has noticed")
    checkout.wait_until_healthy("alpha", "beta")
    assert checkout.status()["gamma"]["health"] == "stopped"


def test_a_killed_keeper_comes_back(checkout):
    checkout.run("up", "alpha")
    (keeper,) = checkout.running("lakehold.local.keeper")
    keeper.kill()
    # The killed one may be listed for a moment more.
    checkout.wait_until(lambda: set(checkout.running("lakehold.local.keeper")) - {keeper}, "the keeper runs again")
    os.kill(checkout.supervisord(), signal.SIGKILL)
    checkout.wait_until(lambda: (checkout.state / "logs" / "revive.log").exists(), "the new keeper has noticed")
    checkout.wait_until_healthy("alpha", "supervisord")


def test_supervisord_and_its_keeper_killed_together_take_everything_with_them(checkout):
    checkout.run("up")
    (checkout.state / "data" / "alpha" / "child").touch()
    pids = checkout.running("lakehold.local.keeper")
    os.kill(pids[0].pid, signal.SIGSTOP)
    os.kill(checkout.supervisord(), signal.SIGKILL)
    os.kill(pids[0].pid, signal.SIGKILL)
    checkout.wait_until(lambda: checkout.processes() == [], "the kernel has ended the processes with their parent")
    checkout.run("up")
    checkout.wait_until_healthy("alpha", "beta", "gamma")


def test_down_ends_what_nobody_supervises_any_more(checkout):
    (checkout.state / "data" / "alpha").mkdir(parents=True)
    (checkout.state / "data" / "alpha" / "child").touch()
    checkout.run("up", "alpha")
    (keeper,) = checkout.running("lakehold.local.keeper")
    os.kill(keeper.pid, signal.SIGSTOP)
    os.kill(checkout.supervisord(), signal.SIGKILL)
    keeper.kill()
    checkout.wait_until(lambda: len(checkout.processes()) == 1, "only the orphan is left")
    stopped = checkout.run("down").stdout
    assert "left over: alpha (pid" in stopped
    assert checkout.processes() == []
