"""One layer: a tar whose bytes depend on nothing but what is in it.

Entries are sorted, times and owners are given, file modes are two, nothing is compressed (so no compressor's version
matters, and a layer's digest is that of its content). Files with the same content become hard links, whatever they
were on disk.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from lakehold.errors import ArtifactError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LINKED_FROM = 4096
"""Bytes from which two equal files are stored once."""
_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, folder or link of a layer; ``path`` is relative to the root, ``sha256`` what its content must be."""

    path: str
    kind: Literal["file", "folder", "link"] = "file"
    mode: int = 0o644
    content: bytes | Path = b""
    sha256: str = ""
    target: str = ""
    owner: int = 0

    @property
    def size(self) -> int:
        """Bytes of a file."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self) -> bytes:
        """The file's bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: its sha256 and size in bytes."""

    sha256: str
    size: int


class Out(Protocol):
    """Where a tar is written to."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""


def complete(entries: Iterable[Entry]) -> list[Entry]:
    """All entries with the folders above them, sorted; of two folders with the same path the last one counts.

    :class:`ArtifactError` when two files, or a file and a folder, want the same path.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        _check(entry)
        before = found.get(entry.path)
        if before is not None and not (before.kind == entry.kind == "folder") and before != entry:
            raise ArtifactError(f"Two files of one layer are both /{entry.path}.")
        found[entry.path] = entry
    for path in list(found):
        for parent in PurePosixPath(path).parents:
            if str(parent) == ".":
                continue
            above = found.setdefault(str(parent), Entry(path=str(parent), kind="folder", mode=0o755))
            if above.kind != "folder":
                raise ArtifactError(f"/{path} is below /{parent}, which is no folder.")
    return sorted(found.values(), key=lambda entry: entry.path)


def write(entries: Iterable[Entry], out: Out, epoch: int) -> Written:
    """Write a layer; :class:`ArtifactError` when a file is not what its entry says."""
    summing = _SummingOut(out)
    first: dict[tuple[str, int, int], str] = {}
    with tarfile.open(fileobj=summing, mode="w|", bufsize=_PIECE, format=tarfile.PAX_FORMAT) as tar:
        for entry in complete(entries):
            info = _info(entry, epoch)
            if entry.kind != "file":
                tar.addfile(info)
                continue
            info.size = entry.size
            key = (entry.sha256, entry.mode, entry.owner)
            if entry.sha256 and info.size >= _LINKED_FROM and key in first:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, first[key], 0
                tar.addfile(info)
                continue
            first[key] = entry.path
            _add(tar, info, entry)
    return Written(sha256=summing.digest.hexdigest(), size=summing.size)


def read(data: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The members of a tar, with the bytes of its files."""
    with tarfile.open(fileobj=data, mode="r:*") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            yield member, file.read() if file else b""


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry) -> None:
    with io.BytesIO(entry.content) if isinstance(entry.content, bytes) else entry.content.open("rb") as file:
        source = _SummingIn(file)
        tar.addfile(info, source)
    if entry.sha256 and source.digest.hexdigest() != entry.sha256:
        raise ArtifactError(
            f"/{entry.path} is not what was verified; the image was not built.",
            why=f"its sha256 is {source.digest.hexdigest()}, expected was {entry.sha256}",
            remedy="lakehold pins verify",
        )


def _info(entry: Entry, epoch: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path)
    info.mtime = epoch
    info.uid = info.gid = entry.owner
    info.type = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[entry.kind]
    info.mode = 0o777 if entry.kind == "link" else entry.mode
    info.linkname = entry.target
    return info


def _check(entry: Entry) -> None:
    path = PurePosixPath(entry.path)
    if path.is_absolute() or ".." in path.parts or str(path) != entry.path or entry.path == ".":
        raise ArtifactError(f"{entry.path!r} is no path within an image.")


class _SummingOut(io.BufferedIOBase):
    def __init__(self, out: Out) -> None:
        self._out = out
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: Buffer, /) -> int:
        piece = bytes(data)
        self._out.write(piece)
        self.digest.update(piece)
        self.size += len(piece)
        return len(piece)


class _SummingIn:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
