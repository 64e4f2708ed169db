"""What a Debian package unpacks to, without running any of its scripts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry, read

_MAGIC = b"!<arch>\n"
_HEADER = 60
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
"""Folders of the root that are links into /usr on every Debian since 12; packages still name them."""
_LEFT_OUT = (
    "boot",
    "dev",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr/games",
    "usr/include",
    "usr/local",
    "usr/share/bug",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/menu",
    "usr/src",
    "var",
)
"""What no program of an image reads; the few folders that matter are made by :mod:`lakehold.images.system`."""
_DOCUMENTS = "usr/share/doc/"


def entries(package: bytes, name: str) -> list[Entry]:
    """Files and links of the package ``name`` as an image has them: documents only as far as they are licences."""
    found = _files(package, name)
    kept = [entry for entry in found.values() if _wanted(entry)]
    status = Entry(path=f"var/lib/dpkg/status.d/{name}", content=control(package, name).encode())
    # Where scanners look for the packages of an image that has no package manager.
    return [*kept, status]


def control(package: bytes, name: str) -> str:
    """The package's description of itself."""
    for member, content in _members_of(package, "control.tar", name):
        if PurePosixPath(member.name).name == "control":
            return content.decode()
    raise ArtifactError(f"The Debian package {name} does not describe itself.")


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an ``ar`` archive; :class:`ArtifactError` when it is none."""
    if not archive.startswith(_MAGIC):
        raise ArtifactError("A Debian package is no ar archive.")
    position = len(_MAGIC)
    while position + _HEADER <= len(archive):
        header = archive[position : position + _HEADER]
        size = int(header[48:58])
        position += _HEADER
        yield header[:16].decode().strip().rstrip("/"), archive[position : position + size]
        position += size + size % 2


def _files(package: bytes, name: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for member, content in _members_of(package, "data.tar", name):
        path = merged(member.name)
        if path == "." or member.isdir():
            continue
        if member.issym():
            found[path] = Entry(path=path, kind="link", target=member.linkname)
        elif member.islnk():
            found[path] = _renamed(found[merged(member.linkname)], path)
        elif member.isfile():
            # No program gets another user's rights: of the mode bits only "program or not" is kept.
            found[path] = Entry(path=path, content=content, mode=0o755 if member.mode & 0o111 else 0o644)
        else:
            raise ArtifactError(f"The Debian package {name} has a device: {member.name}.")
    return found


def merged(path: str) -> str:
    """A path of a package as it is in an image, where /bin, /lib and /sbin are in /usr."""
    plain = str(PurePosixPath(path.removeprefix("./").lstrip("/")))
    first = plain.split("/", 1)[0]
    return f"usr/{plain}" if first in MERGED else plain


def _renamed(entry: Entry, path: str) -> Entry:
    return Entry(path=path, kind=entry.kind, mode=entry.mode, content=entry.content, target=entry.target)


def _wanted(entry: Entry) -> bool:
    if any(entry.path == folder or entry.path.startswith(f"{folder}/") for folder in _LEFT_OUT):
        return False
    if not entry.path.startswith(_DOCUMENTS):
        return True
    # A package that shares its source's licence has a link in place of a folder.
    return entry.kind == "link" or PurePosixPath(entry.path).name == "copyright"


def _members_of(package: bytes, which: str, name: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for member, content in members(package):
        if not member.startswith(which):
            continue
        if member.endswith(".zst"):
            raise ArtifactError(f"The Debian package {name} is compressed in a way Python cannot read: {member}.")
        yield from read(io.BytesIO(content))
        return
    raise ArtifactError(f"The Debian package {name} has no {which}.")
