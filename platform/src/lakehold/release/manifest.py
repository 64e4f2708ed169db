"""What an unpacked tree is made of, and one sum over all of it.

A manifest has one line per file and link, sorted by path: ``<mode> <sha256> <size> <path>``; ``mode`` is ``x``
(program), ``f`` (file) or ``l`` (link; the sum is over its target's name). The sum over these lines is pinned as
``tree``, so a manifest that was changed together with the files is noticed as well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_CHUNK = 1 << 20


def sha256(path: Path, moved: Callable[[int], None] = lambda _bytes: None) -> str:
    """Sum of a file; ``moved`` is told the bytes of each piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            moved(len(piece))
    return digest.hexdigest()


def describe(
    root: Path,
    moved: Callable[[int], None] = lambda _bytes: None,
    skip: Callable[[str], bool] = lambda _name: False,
) -> str:
    """The manifest of everything below ``root``, but for files whose name ``skip`` accepts."""
    return "".join(f"{line}\n" for line in sorted(_lines(root, moved, skip), key=_path))


def sums(manifest: str) -> dict[str, str]:
    """Path → sha256 of a manifest."""
    return {_path(line): line.split(" ", 2)[1] for line in manifest.splitlines()}


def total(manifest: str) -> str:
    """The sum over a manifest: what a pin calls ``tree``."""
    return hashlib.sha256(manifest.encode()).hexdigest()


def differences(recorded: str, found: str) -> list[str]:
    """Sentences on what differs between two manifests, by path."""
    before = {_path(line): line for line in recorded.splitlines()}
    after = {_path(line): line for line in found.splitlines()}
    words = []
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            words.append(f"{path} is missing")
        elif path not in before:
            words.append(f"{path} does not belong there")
        elif before[path] != after[path]:
            words.append(f"{path} {_change(before[path], after[path])}")
    return words


def touched(root: Path, manifest: str, since: int) -> bool:
    """Whether anything may have changed since ``since`` (nanoseconds), by the files' names, sizes and times only.

    A change of content or mode sets a file's change time, which no program can set back.
    A file system's clock ticks every few milliseconds: what happened in the tick of ``since`` may have come after it.
    """
    expected = {_path(line): line.split(" ", 3) for line in manifest.splitlines()}
    seen = 0
    for folder, folders, files in os.walk(root):
        for name in [*files, *(name for name in folders if os.path.islink(f"{folder}/{name}"))]:  # noqa: PTH114 - quick
            path = f"{folder}/{name}"
            known = expected.get(os.path.relpath(path, root))
            status = os.lstat(path)
            if known is None or status.st_ctime_ns >= since or status.st_size != int(known[2]):
                return True
            seen += 1
    return seen != len(expected)


def _change(before: str, after: str) -> str:
    if before[1:] == after[1:]:
        return "has another mode"
    return f"was changed: sha256 {before.split(' ')[1]} became {after.split(' ')[1]}"


def _path(line: str) -> str:
    return line.split(" ", 3)[3]


def _lines(root: Path, moved: Callable[[int], None], skip: Callable[[str], bool]) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        for name in [*files, *(name for name in folders if (Path(folder) / name).is_symlink())]:
            if skip(name):
                continue
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                target = str(path.readlink())
                yield f"l {hashlib.sha256(target.encode()).hexdigest()} {len(target)} {relative}"
                continue
            status = path.stat()
            mode = "x" if status.st_mode & 0o100 else "f"
            yield f"{mode} {sha256(path, moved)} {status.st_size} {relative}"
