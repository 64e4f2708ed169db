"""The whole platform, up once for all platform tests, in a state directory of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_platform import RunningPlatform


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    with tempfile.TemporaryDirectory(prefix="lakehold-") as folder:
        running = RunningPlatform(Path(folder) / "state")
        try:
            running.lakehold("up")
            yield running
        finally:
            running.lakehold("down", timeout=120)
        assert [process.pid for process in running.processes()] == [], "lakehold down left processes"
