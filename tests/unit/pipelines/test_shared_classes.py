from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from lakehold.pipelines.shared_classes import SharedClasses


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("base.jsa", "classes.jsa"):
        (own / name).write_text(f"of {name}")
        (own / name).chmod(0o400)
    return {name: own / name for name in ("base.jsa", "classes.jsa")}


@pytest.fixture
def shared(tmp_path: Path) -> SharedClasses:
    (tmp_path / "store").mkdir()
    return SharedClasses(folder=tmp_path / "store" / "classes" / "key")


def test_what_is_offered_is_there_for_everyone_to_read_and_nobody_to_write(
    shared: SharedClasses, files: dict[str, Path]
) -> None:
    assert not shared.whole()
    before = os.umask(0o077)
    try:
        assert shared.offer(files)
    finally:
        os.umask(before)
    assert shared.whole()
    assert (shared.folder / "classes.jsa").read_text() == "of classes.jsa"
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in shared.folder.iterdir()} == {
        "base.jsa": "444",
        "classes.jsa": "444",
        "record.json": "444",
    }
    assert oct(shared.folder.stat().st_mode)[-3:] == oct(shared.folder.parent.stat().st_mode)[-3:] == "755"
    assert [path.name for path in shared.folder.parent.iterdir()] == ["key"], "nothing half done is left"


@pytest.mark.parametrize("how", ["cut", "written", "lost", "record"])
def test_what_is_not_as_it_was_left_is_not_used_and_made_again(
    shared: SharedClasses, files: dict[str, Path], how: str
) -> None:
    shared.offer(files)
    damaged = shared.folder / ("record.json" if how == "record" else "classes.jsa")
    damaged.chmod(0o600)
    if how == "lost":
        damaged.unlink()
    elif how == "written":
        seen = damaged.stat()
        damaged.write_text("xx classes.jsa")
        os.utime(damaged, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    else:
        damaged.write_text("[1")
    assert not shared.whole()
    assert shared.offer(files)
    assert shared.whole()
    assert [path.name for path in shared.folder.parent.iterdir()] == ["key"]


def test_the_first_of_two_stays(shared: SharedClasses, files: dict[str, Path]) -> None:
    shared.offer(files)
    files["classes.jsa"].chmod(0o600)
    files["classes.jsa"].write_text("another's")
    assert shared.offer(files)
    assert (shared.folder / "classes.jsa").read_text() == "of classes.jsa"


def test_a_store_that_cannot_take_them_is_no_failure(shared: SharedClasses, files: dict[str, Path]) -> None:
    shared.folder.parent.write_text("a file where the folder would be")
    assert not shared.offer(files)
    assert shared.folder.parent.is_file()


def test_what_a_killed_job_left_in_the_store_is_cleared(shared: SharedClasses, files: dict[str, Path]) -> None:
    for name, age in ((".new-old", 2 * 86400), (".new-young", 0)):
        (shared.folder.parent / name).mkdir(parents=True)
        then = time.time() - age
        os.utime(shared.folder.parent / name, (then, then))
    assert shared.offer(files)
    assert {path.name for path in shared.folder.parent.iterdir()} == {"key", ".new-young"}
