"""The Python environments, built by uv from hashed locks.

An environment is built where it stays, because its scripts name their interpreter by path. It counts only once its
record (``lakehold-env.json``) is there, which is written last: an interrupted build has none and is done again. The
record holds the sum of ``lakehold-env.manifest``, which lists every file; what a package's own RECORD says was compared
before.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uv

from lakehold.errors import ArtifactError
from lakehold.release import manifest
from lakehold.release.download import sync_folder
from lakehold.release.program import run

RECORD = "lakehold-env.json"
MANIFEST = "lakehold-env.manifest"
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


def build(folder: Path, name: str, lock: Path, lock_fd: int, check: Callable[[], None], *, cached: bool = True) -> None:
    """Build an environment from nothing and check it; a damaged cache of uv is noticed and gone round.

    ``lock_fd`` and ``check`` are those of :func:`lakehold.release.program.run`.
    """
    if folder.exists():
        shutil.rmtree(folder)
    for command in commands(folder, lock, _base_python(), cached=cached):
        code, said = run(command, environment(os.environ), lock_fd, check)
        if code:
            raise ArtifactError(
                f"{name}: the Python environment could not be built.",
                why=" / ".join(line.strip() for line in said[-6:] if line.strip()),
                remedy="check the network, the proxy and the free disk space, then: lakehold pins fetch",
            )
    lines = _describe(folder)
    damaged = list(_damage(folder, manifest.sums(lines)))
    if damaged and cached:
        build(folder, name, lock, lock_fd, check, cached=False)
        return
    if damaged:
        raise ArtifactError(
            f"{name}: the Python environment is damaged right after its installation.",
            why=f"{damaged[0]} is not as its package says",
            remedy="check the disk, then: lakehold pins fetch",
        )
    seal(folder, lock, lines)


def seal(folder: Path, lock: Path, lines: str) -> None:
    """Write the manifest and then the record of a finished environment, which makes it count."""
    record = {"lock": _digest(lock), "python": sys.version.split()[0], "manifest": manifest.total(lines)}
    for name, text in ((MANIFEST, lines), (RECORD, json.dumps(record, indent=1))):
        draft = folder / f"{name}.part"
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    sync_folder(folder)


def verify(folder: Path) -> list[str]:
    """Sentences on every file of a finished environment that is not as it was installed."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    written = (folder / MANIFEST).read_text(encoding="utf-8") if (folder / MANIFEST).is_file() else ""
    if manifest.total(written) != record["manifest"]:
        return [f"{MANIFEST} was changed"]
    return manifest.differences(written, _describe(folder))


def _describe(folder: Path) -> str:
    """Everything but bytecode, which Python itself writes again when it is stale, and our own two files."""
    return manifest.describe(folder, skip=lambda name: name.endswith(".pyc") or name in (RECORD, MANIFEST))


def _damage(folder: Path, found: Mapping[str, str]) -> Iterator[str]:
    """Paths of installed files that differ from what their package's RECORD says."""
    for record in sorted(folder.glob("lib/python*/site-packages/*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as file:
            for name, expected, _size in csv.reader(file):
                path = os.path.relpath(record.parent.parent / name, folder)
                if expected.startswith("sha256=") and found.get(path) != _hex(expected.removeprefix("sha256=")):
                    yield path


def _hex(encoded: str) -> str:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _base_python() -> str:
    return str(getattr(sys, "_base_executable", sys.executable))
