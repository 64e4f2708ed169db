"""The Python environments, built by uv from hashed locks.

An environment is built where it stays, because its scripts name their interpreter by path. It counts only once its
record (``lakehold-env.json``) is there, which is written last: an interrupted build has none and is done again. The
record holds the sum of every package's RECORD, and each RECORD the sums of the package's files.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import uv

from lakehold.errors import ArtifactError
from lakehold.release.download import sync_folder

RECORD = "lakehold-env.json"
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")


def folder_name(name: str, lock: bytes) -> str:
    """``<name>-<sum of the lock>-py<major>.<minor>``."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{name}-{hashlib.sha256(lock).hexdigest()[:12]}-py{version}"


def python_of(folder: Path) -> Path | None:
    """The interpreter of a finished environment; None when it is not finished, or its base Python is gone."""
    python = folder / "bin" / "python"
    return python if (folder / RECORD).is_file() and python.exists() else None


def commands(folder: Path, lock: Path, base: str, *, cached: bool) -> list[list[str]]:
    """What builds an environment. Without the cache, files damaged through a link to it cannot come back."""
    program = str(uv.find_uv_bin())
    install = [program, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "--require-hashes"]
    cache = ["--link-mode", "hardlink"] if cached else ["--no-cache"]
    return [
        [program, "venv", "--quiet", "--no-project", "--python", base, str(folder)],
        [*install, "--compile-bytecode", *cache, "--requirements", str(lock)],
    ]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of uv: the user's, less what would change the result."""
    kept = {name: value for name, value in environ.items() if name not in _DROPPED}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1"}


def build(folder: Path, name: str, lock: Path, lock_fd: int, *, cached: bool = True) -> None:
    """Build an environment from nothing and check it; a damaged cache of uv is noticed and gone round."""
    if folder.exists():
        shutil.rmtree(folder)
    for command in commands(folder, lock, _base_python(), cached=cached):
        _run(command, name, lock_fd)
    if cached and any(True for _ in _damage(folder, _records(folder))):
        build(folder, name, lock, lock_fd, cached=False)
        return
    seal(folder, lock)


def seal(folder: Path, lock: Path) -> None:
    """Write the record of a finished environment, which makes it count."""
    sums = {str(record.relative_to(folder)): _digest(record) for record in _records(folder)}
    text = json.dumps({"lock": _digest(lock), "python": sys.version.split()[0], "records": sums}, indent=1)
    draft = folder / f"{RECORD}.part"
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / RECORD)
    sync_folder(folder)


def verify(folder: Path) -> list[str]:
    """Sentences on every file of a finished environment that is not as it was installed."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    known = {folder / name: digest for name, digest in record["records"].items()}
    found = set(_records(folder))
    words = [f"{_short(path, folder)} is missing" for path in sorted(known.keys() - found)]
    words += [f"{_short(path, folder)} does not belong there" for path in sorted(found - known.keys())]
    good = []
    for path in sorted(known.keys() & found):
        if _digest(path) != known[path]:
            words.append(f"{_short(path, folder)} was changed")
        else:
            good.append(path)
    return words + list(_damage(folder, good))


def _damage(folder: Path, records: Iterable[Path]) -> Iterable[str]:
    for record in records:
        site = record.parent.parent
        with record.open(encoding="utf-8", newline="") as file:
            for name, digest, _size in csv.reader(file):
                path = site / name
                if not path.is_file():
                    yield f"{_short(path, folder)} is missing"
                elif digest.startswith("sha256=") and _digest(path, "record") != digest.removeprefix("sha256="):
                    yield f"{_short(path, folder)} was changed"


def _records(folder: Path) -> list[Path]:
    return sorted(folder.glob("lib/python*/site-packages/*.dist-info/RECORD"))


def _digest(path: Path, form: str = "hex") -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if form == "hex":
        return digest.hexdigest()
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def _short(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _base_python() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))


def _run(command: list[str], name: str, lock_fd: int) -> None:
    finished = subprocess.run(
        command,
        env=environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        pass_fds=(lock_fd,),
        check=False,
    )
    if finished.returncode:
        raise ArtifactError(
            f"{name}: the Python environment could not be built.",
            why=" / ".join(line.strip() for line in finished.stderr.splitlines()[-6:] if line.strip()),
            remedy="check the network, the proxy and the free disk space, then: lakehold pins fetch",
        )
