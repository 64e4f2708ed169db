"""Bytecode for a layer's Python files, compiled by the image's own Python.

A read-only image cannot keep what Python compiles, so everything would be compiled at each start. The usual bytecode
holds its source's time; ours is told never to look (``unchecked-hash``), as nothing in an image changes. It is compiled
in one process, in a fixed order and with fixed hashes, because what Python writes depends on what it has seen before.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from lakehold.cluster import layout
from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry

_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_PROGRAM = f"usr/bin/python{layout.PYTHON_VERSION}"
_SOME_BROKEN = 1
"""compileall's exit code when a file is no valid Python: templates and tests of broken syntax are in many packages."""


def lay_out(entries: Iterable[Entry], folder: Path) -> None:
    """Write files and links below ``folder``; only what runs in there needs them."""
    for entry in entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "folder":
            path.mkdir(exist_ok=True)
        elif entry.kind == "link":
            path.symlink_to(entry.target)
        else:
            path.write_bytes(entry.read())
            path.chmod(entry.mode)


def command(root: Path, scratch: Path) -> list[str]:
    """Compile all below ``scratch`` with the Python below ``root``, started by its own loader: no chroot, no rights."""
    return [
        str(root / _LIBRARIES / "ld-linux-x86-64.so.2"),
        "--library-path",
        str(root / _LIBRARIES),
        str(root / _PROGRAM),
        # Without `site`: it would read this machine's /etc/python3.11.
        "-S",
        "-P",
        "-m",
        "compileall",
        "-q",
        "-q",
        "-f",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(scratch),
        "-p",
        "/",
        str(scratch),
    ]


def environment() -> dict[str, str]:
    """The compiler's whole environment."""
    return {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "TZ": "UTC"}


def compiled(entries: Sequence[Entry], root: Path, scratch: Path) -> list[Entry]:
    """The entries with their bytecode, which is in ``scratch``; :class:`ArtifactError` when Python cannot run."""
    sources = [entry for entry in entries if entry.kind == "file" and entry.path.endswith(".py")]
    lay_out(sources, scratch)
    try:
        done = subprocess.run(
            command(root, scratch), env=environment(), capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise _refused(f"{error}; programs cannot be started in {root}, or it has no loader") from error
    found = sorted(scratch.rglob("__pycache__/*.pyc"))
    if done.returncode not in (0, _SOME_BROKEN) or (sources and not found):
        raise _refused(" / ".join(done.stderr.splitlines()[-5:]) or f"it exited with {done.returncode}")
    return [*entries, *(Entry(path=path.relative_to(scratch).as_posix(), content=path) for path in found)]


def _refused(why: str) -> ArtifactError:
    return ArtifactError("The image's Python could not compile its files.", why=why)
