"""Archives of Java classes in the store: made by whoever needs them first, used by every checkout of the machine.

The archive of Spark's classes builds on one of Java's own and knows it by its path, so that one has to be there first.
A folder appears by one rename, when its files are written out. Its record says how they were left: what is not so any
more (cut off, damaged, touched) is not used, and made again. There is nothing of an installation in it, only classes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BASE = "base.jsa"
"""Name of the archive of Java's own classes, which every other archive builds on."""
CLASSES = "classes.jsa"
"""Name of the archive of Spark's classes."""
_RECORD = "record.json"
_A_DAY = 86400


@dataclass(frozen=True, kw_only=True)
class SharedClasses:
    """The archives of one Java with one set of jars and flags, in ``folder``."""

    folder: Path

    @property
    def base(self) -> Path:
        """Java's own classes."""
        return self.folder / BASE

    @property
    def classes(self) -> Path:
        """Spark's classes."""
        return self.folder / CLASSES

    def has(self, name: str) -> bool:
        """Whether ``name`` is there, and all files are as they were left by one who may write to the store."""
        return name in self._record()

    def ensure_base(self, base: Path) -> bool:
        """Have the classes of Java's own there, to begin with ``base``; False when we could not add to them."""
        if not self.has(BASE):
            self._replace(base)
        return self.takes()

    def takes(self) -> bool:
        """Whether Java's own classes are there, and we may add others."""
        return self.has(BASE) and os.access(self.folder, os.W_OK)

    def add(self, draft: Path, base: Sequence[int]) -> bool:
        """Put Spark's classes beside those they build on, unless some are there; False when the store takes none.

        ``base`` is how :func:`as_left` those that they were written on; where others are there now, they are of no use.
        """
        record = self._record()
        if BASE not in record or CLASSES in record:
            return CLASSES in record
        if record[BASE] != base:
            return False
        try:
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder.parent))
            try:
                record[CLASSES] = _put(draft, new / CLASSES)
                _write(new / _RECORD, record)
                (new / CLASSES).rename(self.classes)
                (new / _RECORD).rename(self.folder / _RECORD)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        except OSError:
            return False
        return self.has(CLASSES)

    def _record(self) -> dict[str, list[int]]:
        try:
            record: dict[str, list[int]] = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
            return record if all(as_left(self.folder / name) == left for name, left in record.items()) else {}
        except (OSError, ValueError, AttributeError):
            return {}

    def _replace(self, base: Path) -> None:
        staging = None
        try:
            self._ensure_parent()
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder.parent))
            _write(staging / _RECORD, {BASE: _put(base, staging / BASE)})
            staging.chmod(0o755)
            if self.folder.exists():
                self.folder.rename(staging / "damaged")
            staging.rename(self.folder)
            staging = self.folder / "damaged"
        except OSError:
            pass  # it is full, or not ours to write to, or another job was faster: everyone can do without
        if staging:
            shutil.rmtree(staging, ignore_errors=True)

    def _ensure_parent(self) -> None:
        parent = self.folder.parent
        if not parent.is_dir():
            parent.mkdir()
            parent.chmod(0o755)  # whatever the umask: a store is there to be read
        for left in parent.glob(".new-*"):
            if left.stat().st_mtime < time.time() - _A_DAY:
                shutil.rmtree(left)


def _put(source: Path, target: Path) -> list[int]:
    """Copy a file, down to the disk, for everyone to read; return how it was left."""
    shutil.copyfile(source, target)
    target.chmod(0o444)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return as_left(target)


def _write(path: Path, record: Mapping[str, list[int]]) -> None:
    path.write_text(json.dumps(record), encoding="utf-8")
    path.chmod(0o444)


def as_left(path: Path) -> list[int]:
    """Return size and time of a file; raises :class:`OSError` when it cannot be read."""
    with path.open("rb") as file:
        seen = os.fstat(file.fileno())
    return [seen.st_size, seen.st_mtime_ns]
