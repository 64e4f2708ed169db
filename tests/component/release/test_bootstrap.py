"""A checkout on a machine that has Python and make, and nothing else on its path."""

from __future__ import annotations

import importlib.util
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lakehold.release.pins import LOCKS

CHECKOUT = LOCKS.parent.parent
NEEDED = ("sh", "make", "awk")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout with a small lock; `bin` beside it is the whole PATH."""
    checkout = tmp_path / "with space" / "checkout"
    (checkout / "platform" / "locks").mkdir(parents=True)
    shutil.copy(CHECKOUT / "Makefile", checkout)
    shutil.copy(CHECKOUT / "platform" / "bootstrap.py", checkout / "platform")
    shutil.copy(LOCKS / "bootstrap.txt", checkout / "platform" / "locks")
    lock = (LOCKS / "lakehold.txt").read_text(encoding="utf-8")
    begin = lock.index("click==")
    block = lock[begin : lock.index("\n", lock.rindex("--hash", begin, lock.index("# via", begin)))] + "\n"
    for name in ("lakehold.txt", "dev.txt"):
        (checkout / "platform" / "locks" / name).write_text(block, encoding="utf-8")
    package = checkout / "platform" / "src" / "lakehold"
    (package / "cli").mkdir(parents=True)
    (package / "cli" / "main.py").write_text("import click\ndef main():\n    click.echo('it runs')\n", encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found, f"{name} is needed for this test"
        (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]  # the Python below .venv
    return checkout


def make(checkout: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
    environment |= {"PATH": str(checkout.parent.parent / "bin"), "HOME": str(checkout.parent / "home")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "UV_CACHE_DIR": str(checkout.parent / "uv")}
    return subprocess.run(
        [checkout.parent.parent / "bin" / "make", *arguments],
        cwd=checkout,
        env=environment | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_setup_from_nothing_then_nothing_to_do_then_clean(bare: Path) -> None:
    made = make(bare, "setup")
    assert made.returncode == 0, made.stderr
    command = bare / ".venv" / "bin" / "lakehold"
    assert subprocess.check_output([command], text=True) == "it runs\n"
    assert list((bare / ".venv").glob("lib/python3*/site-packages/click/__pycache__/core.*.pyc"))

    stamp = (bare / ".venv" / "lakehold-stamp.json").stat().st_mtime_ns
    again = make(bare, "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (bare / ".venv" / "lakehold-stamp.json").stat().st_mtime_ns == stamp

    lock = bare / "platform" / "locks" / "dev.txt"
    lock.write_text(lock.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert "installing dev.txt" in make(bare, "setup").stderr

    (bare / ".lakehold").mkdir()
    refused = make(bare, "clean")
    assert refused.returncode != 0
    assert "make clean YES=1" in refused.stderr
    assert command.exists()
    assert make(bare, "clean", "YES=1").returncode == 0
    assert sorted(path.name for path in bare.iterdir()) == [".lakehold", "Makefile", "platform"]


def test_an_interrupted_setup_is_done_again(bare: Path) -> None:
    assert make(bare, "setup").returncode == 0
    (bare / ".venv" / "lakehold-stamp.json").unlink()
    shutil.rmtree(next((bare / ".venv").glob("lib/python3*/site-packages/click")))
    assert make(bare, "setup").returncode == 0
    assert subprocess.check_output([bare / ".venv" / "bin" / "lakehold"], text=True) == "it runs\n"


def test_a_wrong_sum_of_the_installer_stops(bare: Path) -> None:
    lock = bare / "platform" / "locks" / "bootstrap.txt"
    version = lock.read_text(encoding="utf-8").split()[0]
    lock.write_text(f"{version} --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    refused = make(bare, "setup")
    assert refused.returncode != 0
    assert "0" * 64 in refused.stderr
    assert "Could not install uv" in refused.stderr
    assert not (bare / ".venv").exists()


def test_no_python_that_fits(bare: Path) -> None:
    (bare.parent.parent / "bin" / "python3").unlink()
    refused = make(bare, "setup")
    assert refused.returncode != 0
    assert "No Python 3.11 to 3.13 was found." in refused.stderr
    assert "PYTHON=/path/to/python3.11" in refused.stderr
    named = make(bare, "setup", "PYTHON=/nowhere/python3")
    assert "at PYTHON=/nowhere/python3." in named.stderr


def test_clean_asks_on_a_terminal(bare: Path) -> None:
    (bare / ".mypy_cache").mkdir()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, bare / "platform" / "bootstrap.py", "clean"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.write(ours, b"n\n")
    assert process.wait(30) == 1
    assert (bare / ".mypy_cache").exists()
    os.close(ours)
    os.close(theirs)


def test_a_python_without_pip_and_venv_is_told_what_to_install(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specification = importlib.util.spec_from_file_location("checkout_bootstrap", bare / "platform" / "bootstrap.py")
    assert specification is not None
    assert specification.loader is not None
    bootstrap = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bootstrap)
    python = bare / "python3"
    python.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(bootstrap, "base_python", lambda: str(python))
    with pytest.raises(bootstrap.BootstrapError, match=r"apt install python3\.\d+-venv"):
        bootstrap.ensure("demo")
    assert not (bare / ".venv").exists()
