"""One file over HTTP: it goes on where an interruption left it, and its sum is checked before anyone sees it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lakehold.errors import ArtifactError

_CHUNK = 1 << 16
"""Bytes of a piece; what an interruption loses at most."""
_ATTEMPTS = 5


class Response(Protocol):
    """The part of ``requests.Response`` that is used."""

    status_code: int

    def iter_content(self, chunk_size: int) -> Iterator[bytes]:
        """Pieces of the body."""

    def close(self) -> None:
        """Give the connection back."""


Get = Callable[[str, Mapping[str, str]], Response]
"""A streaming GET of a registry client: (address, headers) → response; raises OSError when the connection fails."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file as its pin describes it."""

    name: str
    filename: str
    sha256: str
    size: int


class _InterruptedError(OSError):
    """The connection ended early; what came is kept."""


def download(
    wanted: Wanted,
    address: str,
    get: Get,
    target: Path,
    moved: Callable[[int], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring ``address`` to ``target``, which appears whole and verified or not at all.

    ``<target>.part`` holds what came so far. :class:`ArtifactError` when the sum is wrong (the bad part is removed),
    the address answers with an error, or the connection fails again and again without bringing anything.
    """
    part = target.with_name(target.name + ".part")
    resumed = part.exists() and part.stat().st_size > 0
    _complete(wanted, address, get, part, moved, sleep)
    found = _sum(part)
    if found != wanted.sha256 and resumed:
        # The first part may be damaged by a crash: only a download in one go speaks for the registry.
        part.unlink()
        _complete(wanted, address, get, part, moved, sleep)
        found = _sum(part)
    if found != wanted.sha256:
        part.unlink()
        raise wrong_sum(wanted, found)
    part.replace(target)
    sync_folder(target.parent)


def wrong_sum(wanted: Wanted, found: str) -> ArtifactError:
    """The error for a file that is not what its pin says."""
    return ArtifactError(
        f"{wanted.name}: {wanted.filename} is not the file that is pinned; it was not used.",
        why=f"its sha256 is {found}, platform/pins.toml says {wanted.sha256}",
        remedy=f"lakehold pins fetch --again {wanted.name}; if it stays wrong, do not trust the registry or the mirror",
    )


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _complete(
    wanted: Wanted,
    address: str,
    get: Get,
    part: Path,
    moved: Callable[[int], None],
    sleep: Callable[[float], None],
) -> None:
    failures = 0
    if part.exists() and part.stat().st_size <= wanted.size:
        moved(part.stat().st_size)
    while not part.exists() or part.stat().st_size != wanted.size:
        before = part.stat().st_size if part.exists() else 0
        try:
            _append(wanted, address, get, part, moved)
        except OSError as error:
            if isinstance(error, _LocalError):
                raise error.clear(wanted) from error
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= _ATTEMPTS:
                raise ArtifactError(
                    f"{wanted.name}: {wanted.filename} could not be downloaded; {after} of {wanted.size} bytes came.",
                    why=str(error),
                    remedy="check the network and the proxy, then: lakehold pins fetch (it goes on from there)",
                ) from error
            sleep(min(0.5 * 2**failures, 8.0))


class _LocalError(OSError):
    """The disk, not the network, said no."""

    def clear(self, wanted: Wanted) -> ArtifactError:
        return ArtifactError(
            f"{wanted.name}: {wanted.filename} could not be written.",
            why=str(self),
            remedy="free some space, or set LAKEHOLD_STORE to a folder on another disk; then: lakehold pins fetch",
        )


def _append(wanted: Wanted, address: str, get: Get, part: Path, moved: Callable[[int], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > wanted.size:
        part.unlink()
        have = 0
    response = get(address, {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {})
    try:
        if have and response.status_code == 416:
            part.unlink()
            raise _wrong_length(wanted, f"has no more than {have} of the pinned {wanted.size} bytes")
        if response.status_code not in (200, 206):
            raise _refused(wanted, address, response.status_code)
        if have and response.status_code == 200:
            moved(-have)
            have = 0
        with part.open("ab" if have else "wb") as file:
            for piece in response.iter_content(_CHUNK):
                _write(file.write, piece)
                moved(len(piece))
                have += len(piece)
                if have > wanted.size:
                    break
            file.flush()
            os.fsync(file.fileno())
    finally:
        response.close()
    if have < wanted.size:
        raise _InterruptedError(f"the connection ended after {have} of {wanted.size} bytes")
    if have > wanted.size:
        part.unlink()
        raise _wrong_length(wanted, f"is longer than the pinned {wanted.size} bytes")


def _wrong_length(wanted: Wanted, how: str) -> ArtifactError:
    return ArtifactError(
        f"{wanted.name}: {wanted.filename} {how}; it was not used.",
        why=f"expected sha256 {wanted.sha256}",
        remedy="do not trust the registry or the mirror that sent it",
    )


def _write(write: Callable[[bytes], int], piece: bytes) -> None:
    try:
        write(piece)
    except OSError as error:
        raise _LocalError(*error.args) from error


def _refused(wanted: Wanted, address: str, status: int) -> Exception:
    if status >= 500 or status in (408, 429):
        return _InterruptedError(f"{address} answered {status}")
    return ArtifactError(
        f"{wanted.name}: {wanted.filename} cannot be downloaded.",
        why=f"{address} answered {status}",
        remedy="check that the registry (or your mirror of it) still has this version: lakehold pins outdated",
    )


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
