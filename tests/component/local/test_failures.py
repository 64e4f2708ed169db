"""A component that cannot start: one clear message, its remedy, the exit code, and the rest as it was."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.component


def test_a_process_that_ends_by_itself(checkout):
    checkout.run("up")
    before = checkout.pid("alpha")
    checkout.run("down", "beta")
    (checkout.state / "data" / "beta" / "fail").write_text("No space left on device")
    failed = checkout.run("up", check=False)
    assert failed.returncode == 5
    message = failed.stderr[failed.stderr.index("lakehold: ") :]
    assert message.startswith("lakehold: beta did not start: its process beta ended 3 times.")
    assert "cannot read the frobnicator: No space left on device" in message
    assert "remedy: free some disk space" in message
    status = checkout.status()
    assert status["beta"]["health"] == "stopped"
    assert (status["alpha"]["pid"], status["gamma"]["health"]) == (before, "healthy")
    (checkout.state / "data" / "beta" / "fail").unlink()
    checkout.run("up")
    checkout.wait_until_healthy("beta")


def test_what_needs_a_failed_component_is_not_started(checkout):
    (checkout.state / "data" / "alpha").mkdir(parents=True)
    (checkout.state / "data" / "alpha" / "fail").write_text("for a reason")
    failed = checkout.run("up", check=False)
    assert failed.returncode == 5
    assert "lakehold: alpha did not start" in failed.stderr
    assert "beta         FAILED: not started: alpha is not up" in failed.stderr
    assert {checkout.status()[name]["health"] for name in ("alpha", "beta", "gamma")} == {"stopped"}


def test_a_process_that_never_gets_healthy_is_given_up_in_time(checkout):
    checkout.change_components('contains="GREETING"', 'contains="never"')
    checkout.change_components("start_seconds=20", "start_seconds=3")
    begin = time.monotonic()
    failed = checkout.run("up", "alpha", check=False)
    assert failed.returncode == 5
    assert "was not healthy within" in failed.stderr
    assert "answered, but is not ready" in failed.stderr
    assert time.monotonic() - begin < 3 * 2 + 20
    assert checkout.status()["alpha"]["health"] == "stopped"


def test_a_failing_task(checkout):
    checkout.change_components('echo once >> "$1/prepared"', "echo it is broken >&2; exit 3")
    failed = checkout.run("up", "alpha", check=False)
    assert failed.returncode == 5
    assert "alpha did not start: its task alpha-prepare failed with exit code 3." in failed.stderr
    assert "it is broken" in failed.stderr


def test_a_task_that_hangs_is_ended_with_all_below_it(checkout):
    checkout.change_components('echo once >> "$1/prepared"', "sleep 600 & sleep 600")
    checkout.change_components(
        "unprivileged=unprivileged,\n            ),\n        ),\n        processes",
        "timeout_seconds=2),),\n        processes",
    )
    failed = checkout.run("up", "alpha", check=False)
    assert failed.returncode == 5
    assert "its task alpha-prepare took longer than" in failed.stderr
    assert checkout.running("600") == []


def test_a_port_taken_after_it_was_chosen(checkout):
    checkout.run("up", "alpha")
    checkout.run("down")
    port = json.loads((checkout.state / "ports.json").read_text())["alpha"]
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        failed = checkout.run("up", check=False)
        assert failed.returncode == 5
        assert f"alpha cannot start: port {port} is taken." in failed.stderr
        assert f"(pid {os.getpid()}) listens on it" in failed.stderr
        assert '[ports] "alpha" = ' in failed.stderr
        assert checkout.processes() == []
        doctor = checkout.run("doctor", check=False)
        assert doctor.returncode == 1
        assert f"(pid {os.getpid()})" in doctor.stdout
    checkout.run("up")
    assert json.loads((checkout.state / "ports.json").read_text())["alpha"] == port


class _Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"GREETING from a stranger")


def test_an_answer_from_somebody_elses_server_is_not_health(checkout):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Greeter) as stranger:
        threading.Thread(target=stranger.serve_forever).start()
        url = f'url="http://127.0.0.1:{stranger.server_port}/"'
        checkout.change_components('url=f"http://{site.host}:{site.ports[name]}/index.html"', url)
        checkout.change_components("start_seconds=20", "start_seconds=3")
        failed = checkout.run("up", "alpha", check=False)
        stranger.shutdown()
    assert failed.returncode == 5
    assert f"port {stranger.server_port} is held by" in failed.stderr
    assert f"(pid {os.getpid()})" in failed.stderr


def test_the_port_of_another_checkout_names_it(make_checkout):
    one = make_checkout("one")
    one.run("up", "alpha")
    port = json.loads((one.state / "ports.json").read_text())["alpha"]
    two = make_checkout("two")
    failed = two.run("up", "alpha", check=False, LAKEHOLD_PORTS_ALPHA=str(port))
    assert failed.returncode == 5
    assert f"alpha of the Lakehold installation in {one.state}" in failed.stderr


def test_unknown_names_are_refused_before_anything_happens(checkout):
    wrong = checkout.run("up", "betta", check=False)
    assert wrong.returncode == 3
    assert 'did you mean "beta"?' in wrong.stderr
    wrong = checkout.run("up", check=False, LAKEHOLD_PORTS_ALFA="1234")
    assert wrong.returncode == 3
    assert 'ports.alfa: unknown port, did you mean "alpha"?' in wrong.stderr
    (checkout.path / "lakehold.toml").write_text('# mine\n[trino]\nheep = "3G"\n')
    wrong = checkout.run("up", check=False)
    assert wrong.returncode == 3
    assert 'lakehold.toml:3: trino.heep: unknown key, did you mean "heap"?' in wrong.stderr
    assert not (checkout.state / "run" / "supervisord.conf").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk(checkout, tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mount is not allowed here: {mounted.stderr.decode().strip()}")
    try:
        state = str(small / "state")
        checkout.run("up", LAKEHOLD_STATE=state)
        checkout.run("down", LAKEHOLD_STATE=state)
        with (small / "filler").open("wb") as filler:
            filler.write(b"\0" * (shutil.disk_usage(small).free - 4096))
        failed = checkout.run("up", check=False, LAKEHOLD_STATE=state)
        assert failed.returncode == 5
        assert f"the disk with {state} is full" in failed.stderr
        assert "remedy: free some space" in failed.stderr
        (small / "filler").unlink()
        checkout.run("up", LAKEHOLD_STATE=state)
        checkout.run("down", LAKEHOLD_STATE=state)
    finally:
        subprocess.run(["/bin/umount", "-l", str(small)], check=True)


def test_a_newer_state_directory_and_anothers_are_refused(checkout):
    checkout.run("up", "alpha")
    checkout.run("down")
    site = checkout.state / "site.json"
    site.write_text(json.dumps({**json.loads(site.read_text()), "format": 99}))
    refused = checkout.run("up", check=False)
    assert refused.returncode == 3
    assert "was written by a newer Lakehold" in refused.stderr
