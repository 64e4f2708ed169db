"""Helm, and the chart as it renders it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from chart_values import CHART, TEMPLATE

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def helm() -> str:
    """The program: HELM, or the one on the PATH."""
    found = os.environ.get("HELM") or shutil.which("helm")
    assert found, "there is no helm on the PATH, and HELM does not name one"
    return found


@pytest.fixture(scope="session")
def template(helm: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`helm template` with a profile and single values."""

    def run(profile: str = "trial", *sets: str) -> subprocess.CompletedProcess[str]:
        values = ["--values", str(CHART / "profiles" / f"{profile}.yaml")]
        given = [word for one in sets for word in ("--set", one)]
        command = [helm, *TEMPLATE, *values, *given]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The chart's objects."""

    def run(profile: str = "trial", *sets: str) -> list[Manifest]:
        done = template(profile, *sets)
        assert done.returncode == 0, done.stderr
        return [one for one in yaml.safe_load_all(done.stdout) if one]

    return run
