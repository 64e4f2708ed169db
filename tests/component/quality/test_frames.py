"""The same suites on Spark frames, inside a Spark job."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lakehold.release.store import Store

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the part prints."""
    store = Store.default()
    result = subprocess.run(
        [str(store.python("engine")), str(HERE / "frames_part.py"), str(tmp_path_factory.mktemp("suites"))],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "JAVA_HOME": str(store.artifact("jdk-21")),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_a_frame_is_judged_as_a_table_is(said: dict[str, Any]) -> None:
    assert {outcome for outcome, _, _ in said["good"].values()} == {"ok"}
    assert {name: outcome for name, (outcome, _, _) in said["bad"].items()} == {
        "origin": "BLOCK",
        "n": "warn",
        "once": "BLOCK",
        "together": "warn",
        "named": "ok",
        "some": "ok",
        "where": "BLOCK",
        "query": "BLOCK",
    }
    assert said["bad"]["origin"] == ["BLOCK", 4, 1]
    assert said["bad"]["where"] == ["BLOCK", 4, 2]


def test_a_frame_without_rows_is_stopped(said: dict[str, Any]) -> None:
    assert said["empty"] == {"some": "BLOCK", "not_empty": "BLOCK"}


def test_a_job_is_stopped_before_it_writes(said: dict[str, Any]) -> None:
    assert "probe: 4 of 8 rules are broken by the frame for silver.flights; nothing was written." in said["stopped"]
    assert "origin, once, where, query" in said["stopped"]
