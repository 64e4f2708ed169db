from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from lakehold.pipelines.shared_classes import BASE, CLASSES, SharedClasses, as_left


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """What a job has: a base, and what it has written."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in (BASE, CLASSES):
        (folder / name).write_text(f"of {name}")
        (folder / name).chmod(0o400)
    return folder


@pytest.fixture
def shared(tmp_path: Path) -> SharedClasses:
    (tmp_path / "store").mkdir()
    return SharedClasses(folder=tmp_path / "store" / "classes" / "key")


def written_on(shared: SharedClasses) -> list[int]:
    """What a job notes when it begins."""
    return as_left(shared.base) if shared.base.is_file() else []


def fill(shared: SharedClasses, own: Path) -> bool:
    """What the first job does."""
    return shared.ensure_base(own / BASE) and shared.add(own / CLASSES, written_on(shared))


def test_what_is_left_is_there_for_everyone_to_read_and_nobody_to_write(shared: SharedClasses, own: Path) -> None:
    assert not shared.has(BASE)
    before = os.umask(0o077)
    try:
        assert shared.ensure_base(own / BASE)
        assert not shared.has(CLASSES)
        assert shared.add(own / CLASSES, written_on(shared))
    finally:
        os.umask(before)
    assert shared.has(BASE)
    assert shared.has(CLASSES)
    assert shared.classes.read_text() == "of classes.jsa"
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in shared.folder.iterdir()} == {
        "base.jsa": "444",
        "classes.jsa": "444",
        "record.json": "444",
    }
    assert oct(shared.folder.stat().st_mode)[-3:] == oct(shared.folder.parent.stat().st_mode)[-3:] == "755"
    assert [path.name for path in shared.folder.parent.iterdir()] == ["key"], "nothing half done is left"


@pytest.mark.parametrize("how", ["cut", "written", "lost", "record"])
@pytest.mark.parametrize("name", [BASE, CLASSES])
def test_what_is_not_as_it_was_left_is_not_used_and_all_is_made_again(
    shared: SharedClasses, own: Path, how: str, name: str
) -> None:
    fill(shared, own)
    damaged = shared.folder / ("record.json" if how == "record" else name)
    damaged.chmod(0o600)
    if how == "lost":
        damaged.unlink()
    elif how == "written":
        seen = damaged.stat()
        damaged.write_text("x" * seen.st_size)
        os.utime(damaged, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    else:
        damaged.write_text("[1")
    assert not shared.has(BASE)
    assert not shared.has(CLASSES)
    assert not shared.add(own / CLASSES, written_on(shared)), "on another base it would be of no use"
    assert shared.ensure_base(own / BASE)
    assert not shared.has(CLASSES), "they were built on what is no more"
    assert shared.add(own / CLASSES, written_on(shared))
    assert [path.name for path in shared.folder.parent.iterdir()] == ["key"]


def test_the_first_of_two_stays(shared: SharedClasses, own: Path) -> None:
    fill(shared, own)
    for name in (BASE, CLASSES):
        (own / name).chmod(0o600)
        (own / name).write_text("another's")
    assert fill(shared, own)
    assert shared.base.read_text() == "of base.jsa"
    assert shared.classes.read_text() == "of classes.jsa"


def test_a_store_that_cannot_take_them_is_no_failure(shared: SharedClasses, own: Path) -> None:
    shared.folder.parent.write_text("a file where the folder would be")
    assert not shared.ensure_base(own / BASE)
    assert not shared.add(own / CLASSES, written_on(shared))
    assert shared.folder.parent.is_file()


def test_what_a_killed_job_left_in_the_store_is_cleared(shared: SharedClasses, own: Path) -> None:
    for name, age in ((".new-old", 2 * 86400), (".new-young", 0)):
        (shared.folder.parent / name).mkdir(parents=True)
        then = time.time() - age
        os.utime(shared.folder.parent / name, (then, then))
    assert fill(shared, own)
    assert {path.name for path in shared.folder.parent.iterdir()} == {"key", ".new-young"}
