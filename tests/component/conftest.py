"""A site of its own for the test run, and real servers started from the declarations, each once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from free_ports import free_ports
from lakehold.components.model import Component, Health, Http, Process, Site, Task
from lakehold.components.registry import COMPONENTS, component
from lakehold.config.settings import Settings
from lakehold.local.site import load_site

REPOSITORY = Path(__file__).resolve().parents[2]
_NOBODY = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
_NOBODY += ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]


class Lab:
    """Starts components of one site, each once, and stops them all in the end."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.started: set[str] = set()

    def start(self, name: str) -> None:
        """Start a component and what it needs, unless it runs."""
        if name in self.started:
            return
        self.started.add(name)
        declared = component(name)
        for needed in declared.needs:
            self.start(needed)
        self.configure(declared)
        for task in declared.before:
            self.run(task)
        for process in declared.processes:
            self.launch(process)
        for task in declared.after:
            self.run(task)

    def configure(self, declared: Component) -> None:
        """Write the configuration files, and give the folders to the user the component runs as."""
        folders = [self.site.conf(declared.name), self.site.data(declared.name)]
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in declared.files(self.site):
            path = self.site.conf(declared.name) / file.path
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
            path.chmod(0o600)
        if os.geteuid() == 0 and any(process.unprivileged for process in declared.processes):
            for path in [found for folder in folders for found in (folder, *folder.rglob("*"))]:
                shutil.chown(path, "nobody", "nogroup")

    def run(self, task: Task) -> subprocess.CompletedProcess[str]:
        """Run a task to its end; an error with its output when it fails."""
        result = subprocess.run(
            self._command(task, task.command(self.site)),
            env=task.environment(self.site),
            cwd=self.site.state,
            input=task.stdin(self.site),
            capture_output=True,
            text=True,
            timeout=task.timeout_seconds,
            check=False,
        )
        assert result.returncode == 0, f"{task.name}: {result.stdout}{result.stderr}"
        return result

    def launch(self, process: Process) -> None:
        """Start a process and wait until it is healthy."""
        directory = process.directory(self.site) if process.directory else self.site.state
        with self.log(process.name).open("ab") as log:
            self.running[process.name] = subprocess.Popen(
                self._command(process, process.command(self.site), f"--pdeathsig={process.stop_signal}"),
                env=process.environment(self.site),
                cwd=directory,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + process.start_seconds
        while not self.healthy(process.health(self.site)):
            code = self.running[process.name].poll()
            assert code is None, f"{process.name} ended with {code}: {self.log(process.name).read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"{process.name}: {self.log(process.name).read_text()[-4000:]}"
            time.sleep(0.1)

    def healthy(self, health: Health) -> bool:
        """Whether the health check is met now."""
        if not isinstance(health, Http):
            return subprocess.run(health.command, check=False, cwd=self.site.state).returncode == 0
        try:
            trusted = ssl.create_default_context(cafile=self.site.tls / "ca.pem")
            with httpx.Client(verify=trusted, trust_env=False) as client:
                answer = client.get(health.url)
        except httpx.HTTPError:
            return False
        return answer.status_code == health.status and health.contains in answer.text

    def log(self, name: str) -> Path:
        """The file with what the process printed."""
        return self.site.state / "logs" / f"{name}.log"

    def stop(self, name: str) -> None:
        """Stop one process as its declaration says."""
        process = next(each for part in COMPONENTS for each in part.processes if each.name == name)
        self.started -= {part.name for part in COMPONENTS if process in part.processes}
        running = self.running.pop(name)
        running.send_signal(getattr(signal, f"SIG{process.stop_signal}"))
        try:
            running.wait(process.stop_seconds)
        except subprocess.TimeoutExpired:
            # What the supervisor does with one that takes longer than it may.
            for each in [*psutil.Process(running.pid).children(recursive=True), running]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            running.wait()

    def close(self) -> None:
        """Stop everything, the last started first."""
        for name in reversed(list(self.running)):
            self.stop(name)

    def _command(self, part: Process | Task, command: list[str], *options: str) -> list[str]:
        """Run as another user what refuses to run as root; ``--pdeathsig``: a killed test run leaves no server."""
        other = _NOBODY if part.unprivileged and os.geteuid() == 0 else []
        return ["setpriv", *other, *options, *command] if other or options else command


def make_site(folder: Path, settings: Settings | None = None, checkout: Path = REPOSITORY) -> Site:
    """An installation in ``folder`` with ports, secrets and certificates of its own."""
    base = settings or Settings()
    names = _port_names()
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    own = base.model_copy(update={"state": folder / "state", "ports": ports})
    site = load_site(own, checkout)
    site.state.chmod(0o711)
    return site


def _port_names() -> list[str]:
    return [f"{part.name}.{port}" if port else part.name for part in COMPONENTS for port in part.ports]


@contextlib.contextmanager
def laboratory(settings: Settings | None = None, checkout: Path = REPOSITORY) -> Iterator[Lab]:
    """A lab with a site of its own; everything is stopped and removed in the end."""
    # Not pytest's own folder: that is closed to the user PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="lakehold-test-"))
    folder.chmod(0o711)
    made = Lab(make_site(folder, settings, checkout))
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One site with its own servers for the tests of one file, which no other file's tables or passwords reach."""
    with laboratory() as made:
        yield made


@pytest.fixture(scope="session")
def new_lab() -> Callable[..., contextlib.AbstractContextManager[Lab]]:
    """Make a lab with other settings, or of another checkout: ``with new_lab(settings, checkout) as lab:``."""
    return laboratory


@pytest.fixture
def free_port() -> int:
    """A TCP port nobody listens on."""
    return free_ports(1)[0]
