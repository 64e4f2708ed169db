"""Real components that cannot start: one clear message, the remedy, a non-zero exit, and nothing else touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lakehold.release.store import Store

pytestmark = pytest.mark.component


class Installation:
    """An installation of the real components, with a state directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.environment = {**os.environ, "LAKEHOLD_STATE": str(self.state)}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("lakehold")), *arguments]
        environment = {**self.environment, **more}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="lakehold-test-") as folder:
        Path(folder).chmod(0o755)
        made = Installation(Path(folder))
        yield made
        made.run("down")


def test_a_damaged_database_is_named_and_left_as_it_is(installation: Any) -> None:
    assert installation.run("up", "postgres").returncode == 0
    assert installation.run("down").returncode == 0
    control = installation.state / "data" / "postgres" / "cluster" / "global" / "pg_control"
    damaged = b"\0" * len(control.read_bytes())
    control.write_bytes(damaged)
    failed = installation.run("up", "postgres")
    assert failed.returncode == 5
    assert "postgres did not start" in failed.stderr
    assert "remedy:" in failed.stderr
    assert control.read_bytes() == damaged
    assert installation.run("status").returncode == 6


def test_a_tampered_program_is_not_started(installation: Any, tmp_path: Path) -> None:
    real = Store.default().artifact("postgres")
    root = tmp_path / "store"
    shutil.copytree(real, root / "artifacts" / real.name, symlinks=True)
    shutil.copy2(real.with_name(f"{real.name}.manifest"), root / "artifacts")
    program = root / "artifacts" / real.name / "bin" / "postgres"
    program.chmod(0o755)
    with program.open("ab") as file:
        file.write(b"something else")
    failed = installation.run("up", "postgres", LAKEHOLD_STORE=str(root))
    assert failed.returncode == 4
    assert "bin/postgres" in failed.stderr
    assert "lakehold pins fetch --again postgres" in failed.stderr
    assert installation.run("status").returncode == 6


WRONG_JAVA = """
import dataclasses
from lakehold.components.registry import COMPONENTS

def with_old_java(process):
    def command(site):
        new, old = (str(site.artifacts[name]) for name in ("jdk-25", "jdk-21"))
        return [word.replace(new, old) for word in process.command(site)]
    return dataclasses.replace(process, command=command)

def changed(component):
    if component.name != "trino":
        return component
    return dataclasses.replace(
        component,
        artifacts=(*component.artifacts, "jdk-21"),
        needs=(),
        processes=tuple(with_old_java(process) for process in component.processes),
    )

COMPONENTS = tuple(changed(component) for component in COMPONENTS)
"""


def test_a_java_that_is_too_old_is_named_with_the_remedy(installation: Any, tmp_path: Path) -> None:
    components = tmp_path / "components.py"
    components.write_text(WRONG_JAVA)
    installation.environment["LAKEHOLD_COMPONENTS"] = str(components)
    failed = installation.run("up", "trino")
    assert failed.returncode == 5
    assert "trino did not start" in failed.stderr
    assert "Unrecognized option" in failed.stderr
    assert "lakehold pins verify" in failed.stderr
    assert installation.run("status").returncode == 6
