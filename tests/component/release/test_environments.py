"""Python environments, really built by uv from a small lock: complete, compiled, verified, mended."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.release import envs
from lakehold.release.pins import LOCKS
from lakehold.release.pinsfile import parse_pins
from lakehold.release.store import Store

PINS = '[envs.small]\ndisk = 1000000\nreason = "A test."\n'
PACKAGE = "click"


def lock_of(package: str) -> str:
    """The lines of one package in the lock of the command line."""
    lines = (LOCKS / "lakehold.txt").read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next(number for number in range(begin + 1, len(lines)) if "--hash" not in lines[number])
    return "\n".join([*lines[begin : end - 1], lines[end - 1].rstrip(" \\")]) + "\n"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    # A cache of its own: these tests damage files that are links into it.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "small.txt").write_text(lock_of(PACKAGE), encoding="utf-8")
    return Store(tmp_path / "store", parse_pins(PINS), locks)


def installed(store: Store) -> Path:
    (found,) = store.python("small").parent.parent.glob(f"lib/python3*/site-packages/{PACKAGE}/core.py")
    return found


def test_it_is_built_once_and_compiled(store: Store) -> None:
    with pytest.raises(ArtifactError, match="lakehold pins fetch small"):
        store.python("small")
    store.ensure([], ["small"])
    python = store.python("small")
    assert subprocess.run([python, "-c", f"import {PACKAGE}"], check=False).returncode == 0
    assert list(installed(store).parent.glob("__pycache__/core.*.pyc")), "compiled in spite of PYTHONDONTWRITEBYTECODE"
    assert store.verify("small") == []
    before = python.parent.parent.stat().st_mtime_ns
    store.ensure([], ["small"])
    assert python.parent.parent.stat().st_mtime_ns == before


def test_bytecode_written_by_python_itself_is_no_tampering(store: Store) -> None:
    store.ensure([], ["small"])
    for compiled in installed(store).parent.glob("__pycache__/*.pyc"):
        compiled.unlink()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([store.python("small"), "-c", f"import {PACKAGE}"], check=True, env=environment)
    assert store.verify("small") == []


def test_tampering_is_named_and_a_new_build_does_not_bring_it_back(store: Store) -> None:
    store.ensure([], ["small"])
    # In place: the file is a hard link into uv's cache, so the cache is damaged as well.
    with installed(store).open("a", encoding="utf-8") as file:
        file.write("# evil\n")
    (said,) = store.verify("small")
    assert f"{PACKAGE}/core.py was changed" in said
    (installed(store).parent.parent / "evil.pth").write_text("import evil\n", encoding="utf-8")
    assert any("evil.pth does not belong there" in word for word in store.verify("small"))
    store.remove("small")
    store.ensure([], ["small"])
    assert "evil" not in installed(store).read_text(encoding="utf-8")
    assert store.verify("small") == []


def test_an_interrupted_build_does_not_count_and_is_done_again(store: Store) -> None:
    store.ensure([], ["small"])
    (store.env_folder("small") / envs.RECORD).unlink()
    (store.env_folder("small") / "half-written").touch()
    assert store.missing([], ["small"]) == ([], ["small"])
    store.ensure([], ["small"])
    assert store.verify("small") == []
    assert not (store.env_folder("small") / "half-written").exists()


def test_another_lock_is_another_environment(store: Store) -> None:
    before = store.env_folder("small")
    lock = store.env_lock("small")
    lock.write_text(lock.read_text(encoding="utf-8") + lock_of("idna"), encoding="utf-8")
    assert store.env_folder("small") != before


def test_a_wrong_sum_in_the_lock_stops_with_both(store: Store) -> None:
    lock = store.env_lock("small")
    lock.write_text(
        f"{PACKAGE}=={lock_of(PACKAGE).split('==')[1].split()[0]} --hash=sha256:{'0' * 64}\n", encoding="utf-8"
    )
    with pytest.raises(ArtifactError) as caught:
        store.ensure([], ["small"])
    assert "0" * 64 in str(caught.value)
    assert "Computed" in str(caught.value)
    with pytest.raises(ArtifactError):
        store.python("small")
