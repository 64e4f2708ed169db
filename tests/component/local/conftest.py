"""Installations of tiny components: real supervisord, real processes, driven by the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from free_ports import free_ports

LAKEHOLD = Path(sys.executable).with_name("lakehold")

# A web server per component, and things a test can turn on by putting a file into its data folder.
_COMPONENTS = """
import sys
from lakehold.components.model import Component, ConfigFile, Http, Process, Task

_SERVER = '''
import os, subprocess, sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
port, folder, data = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if os.path.exists(data + "/fail"):
    sys.exit("cannot read the frobnicator: " + open(data + "/fail").read())
if os.path.exists(data + "/child"):
    subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
os.chdir(folder)
ThreadingHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler).serve_forever()
'''

_PREPARE = 'cat > "$1/password"; echo once >> "$1/prepared"'


def web(name, port, needs=(), unprivileged=False):
    return Component(
        name=name,
        summary="a web server",
        ports={"": port},
        needs=needs,
        secrets=(f"{name}.password",),
        files=lambda site: [ConfigFile(path="index.html", text=f"GREETING {name}\\n")],
        before=(
            Task(
                name=f"{name}-prepare",
                command=lambda site: ["/bin/sh", "-c", _PREPARE, "prepare", str(site.data(name))],
                stdin=lambda site: site.secrets[f"{name}.password"],
                unprivileged=unprivileged,
            ),
        ),
        processes=(
            Process(
                name=name,
                command=lambda site: [
                    sys.executable, "-c", _SERVER, str(site.ports[name]), str(site.conf(name)), str(site.data(name))
                ],
                health=lambda site: Http(url=f"http://{site.host}:{site.ports[name]}/index.html", contains="GREETING"),
                memory_mb=20,
                start_seconds=20,
                stop_seconds=5,
                unprivileged=unprivileged,
            ),
        ),
        after=(
            Task(
                name=f"{name}-after",
                command=lambda site: ["/bin/sh", "-c", "echo once >> $1", "after", f"{site.state}/work/{name}-after"],
            ),
        ),
    )


COMPONENTS = (
    web("alpha", PORT0), web("beta", PORT1, ("alpha",), unprivileged=True), web("gamma", PORT2, ("alpha",))
)
"""


@dataclass
class Checkout:
    """A checkout of its own, driven by the ``lakehold`` command."""

    path: Path
    components: Path

    @property
    def state(self) -> Path:
        return self.path / ".lakehold"

    def run(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = self.start(*arguments, **environment)
        out, err = done.communicate(timeout=180)
        if check and done.returncode:
            pytest.fail(f"lakehold {' '.join(arguments)} exited {done.returncode}\n{out}\n{err}")
        return subprocess.CompletedProcess(arguments, done.returncode, out, err)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(LAKEHOLD), *arguments],
            cwd=self.path,
            env={**os.environ, "LAKEHOLD_COMPONENTS": str(self.components), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> dict[str, dict[str, Any]]:
        answer = json.loads(self.run("status", "--json", check=False).stdout)
        return {entry["process"]: entry for entry in answer["processes"]}

    def pid(self, name: str) -> int:
        return int(self.status()[name]["pid"])

    def supervisord(self) -> int:
        return int((self.state / "run" / "supervisord.pid").read_text())

    def change_components(self, old: str, new: str) -> None:
        text = self.components.read_text()
        assert old in text
        self.components.write_text(text.replace(old, new))

    def processes(self) -> list[psutil.Process]:
        """Every process marked as this installation's, found without the code under test."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LAKEHOLD_STATE") == str(self.state) and process.pid != os.getpid():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def running(self, argument: str) -> list[psutil.Process]:
        """Those of :meth:`processes` with ``argument`` on their command line."""
        return [process for process in self.processes() if argument in _command_line(process)]

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {seconds:.0f} s")
            time.sleep(0.2)

    def wait_until_healthy(self, *names: str) -> None:
        def healthy() -> bool:
            status = self.status()
            return all(status[name]["health"] == "healthy" for name in names)

        self.wait_until(healthy, f"{', '.join(names)} healthy again")


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def make_checkout(tmp_path: Path) -> Iterator[Callable[..., Checkout]]:
    made: list[Checkout] = []

    def make(name: str = "checkout", ports: list[int] | None = None) -> Checkout:
        path = tmp_path / name
        path.mkdir(parents=True)
        (path / "lakehold.toml").write_text("")
        text = textwrap.dedent(_COMPONENTS)
        for number, port in enumerate(ports or free_ports(3)):
            text = text.replace(f"PORT{number}", str(port))
        components = tmp_path / f"{path.name}_components.py"
        components.write_text(text)
        made.append(Checkout(path, components))
        return made[-1]

    # pytest's folders are closed to others; the process that runs as nobody must pass through by its capability.
    yield make
    for checkout in made:
        checkout.run("down", check=False)
        for process in checkout.processes():
            process.kill()


@pytest.fixture
def checkout(make_checkout: Callable[..., Checkout]) -> Checkout:
    return make_checkout()
