"""A version is the content of the rooms, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lakehold.pipelines.snapshot import copy, files_of, version_of

ROOMS = ["dags", "jobs"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in {"dags/a.py": "a", "dags/below/b.py": "b", "jobs/c.py": "c", "docs/d.md": "d"}.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "checkout"


def test_content_and_names_change_the_version_times_do_not(checkout: Path) -> None:
    first = version_of(checkout, ROOMS)
    os.utime(checkout / "dags" / "a.py", (1, 1))
    assert version_of(checkout, ROOMS) == first
    (checkout / "jobs" / "c.py").write_text("C")
    second = version_of(checkout, ROOMS)
    (checkout / "jobs" / "c.py").rename(checkout / "jobs" / "d.py")
    assert len({first, second, version_of(checkout, ROOMS)}) == 3


@pytest.mark.parametrize(
    "name", ["docs/d.md", "dags/__pycache__/a.pyc", "dags/a.pyc", "jobs/target/run.sql", "jobs/logs/dbt.log"]
)
def test_what_is_generated_or_elsewhere_does_not(checkout: Path, name: str) -> None:
    before = version_of(checkout, ROOMS)
    path = checkout / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("anything")
    assert version_of(checkout, ROOMS) == before


def test_a_copy_has_the_version_of_its_source(checkout: Path, tmp_path: Path) -> None:
    copy(checkout, ROOMS, tmp_path / "copy")
    assert version_of(tmp_path / "copy", ROOMS) == version_of(checkout, ROOMS)
    assert not (tmp_path / "copy" / "docs").exists()


def test_a_copy_is_newer_than_its_source(checkout: Path, tmp_path: Path) -> None:
    for path in files_of(checkout, ROOMS):
        os.utime(path, (1, 1))
    copy(checkout, ROOMS, tmp_path / "copy")
    assert all(path.stat().st_mtime > 1 for path in files_of(tmp_path / "copy", ROOMS))


def test_a_missing_room_is_an_empty_one(checkout: Path, tmp_path: Path) -> None:
    rooms = [*ROOMS, "quality"]
    assert list(files_of(checkout, rooms)) == list(files_of(checkout, ROOMS))
    copy(checkout, rooms, tmp_path / "copy")
    assert (tmp_path / "copy" / "quality").is_dir()
