"""From a verified download to a tree of files, as its pin's ``unpack`` says."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from lakehold.errors import ArtifactError
from lakehold.release.pins import Unpack

Moved = Callable[[int], None]


def unpack(download: Path, filename: str, how: Unpack, root: Path, moved: Moved = lambda _bytes: None) -> None:
    """Lay out ``download`` in the empty folder ``root``; ``moved`` is told the unpacked bytes as they come."""
    source = root / "_source"
    source.mkdir()
    try:
        _open(download, filename, how, source, moved)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ArtifactError(f"Cannot unpack {filename}.", why=str(error), remedy="lakehold pins fetch") from error
    top = source / how.subtree
    if not top.is_dir():
        raise ArtifactError(
            f"{filename} has no folder {how.subtree!r}.", remedy="correct `unpack` in platform/pins.toml"
        )
    for entry in sorted(top.iterdir()):
        entry.rename(root / entry.name)
    shutil.rmtree(source)
    _keep(root, how)
    for old, new in how.move.items():
        (root / old).rename(root / new)
    for name, text in how.write.items():
        (root / name).write_text(text, encoding="utf-8")
    _modes(root, how)


def _open(download: Path, filename: str, how: Unpack, target: Path, moved: Moved) -> None:
    if how.format == "file":
        shutil.copyfile(download, target / filename)
        return
    if how.format == "tar":
        with tarfile.open(download) as archive:
            _untar(archive, target, moved)
        return
    with zipfile.ZipFile(download) as archive:
        if how.member:
            with archive.open(how.member) as inner, tarfile.open(fileobj=inner, mode="r|*") as tar:
                _untar(tar, target, moved)
            return
        for entry in archive.infolist():
            _check(entry.filename)
            archive.extract(entry, target)
            moved(entry.file_size)


def _untar(archive: tarfile.TarFile, target: Path, moved: Moved) -> None:
    # The archive's sum was checked, so links are taken as they are: a jar shared between plugins is a hard link.
    archive.extraction_filter = lambda member, _path: member
    for member in archive:
        _check(member.name)
        archive.extract(member, target, set_attrs=False)
        if member.isfile():
            (target / member.name).chmod(0o755 if member.mode & 0o100 else 0o644)
        moved(member.size)


def _check(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ArtifactError(f"The archive has an entry outside of itself: {name!r}.", remedy="do not use this artifact")


def _keep(root: Path, how: Unpack) -> None:
    for folder, names in how.keep.items():
        missing = [name for name in names if not (root / folder / name).exists()]
        if missing:
            raise ArtifactError(
                f"{folder}/{missing[0]} is not in the archive.", remedy="correct `keep` in platform/pins.toml"
            )
        for entry in (root / folder).iterdir():
            if entry.name not in names:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _modes(root: Path, how: Unpack) -> None:
    """The same modes whatever the umask and the archive say: readable by all, so that any user may run the programs."""
    root.chmod(0o755)
    programs = {path for glob in how.executable for path in root.glob(glob)} | {root / name for name in how.write}
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_dir():
            path.chmod(0o755)
        else:
            path.chmod(0o755 if path in programs or path.stat().st_mode & 0o100 else 0o644)
