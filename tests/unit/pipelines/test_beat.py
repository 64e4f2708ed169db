"""A process that touches a file lives; one that does no longer is dead after a while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lakehold.pipelines.beat import beats, main


def test_it_lives_as_long_as_it_touches_its_file(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    assert not beats(file, 10, now=100)
    file.touch()
    os.utime(file, (100, 100))
    assert beats(file, 10, now=109.9)
    assert not beats(file, 10, now=110)


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(str(tmp_path / "beat"), "10") == 1
    assert "was not touched for 10 s" in capsys.readouterr().out
    (tmp_path / "beat").touch()
    assert main(str(tmp_path / "beat"), "10") == 0
