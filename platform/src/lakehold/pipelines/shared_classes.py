"""An archive of Java classes in the store: made by whoever needs it first, used by every checkout of the machine.

A folder appears by one rename, when its files are written out. Its record says how they were left: what is not so any
more (cut off, damaged, touched) is not used, and made again. There is nothing of an installation in it, only classes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLASSES = "classes.jsa"
"""Name of the archive of Spark's classes; the archive of Java's own, which it builds on, stands beside it."""
_RECORD = "record.json"
_A_DAY = 86400


@dataclass(frozen=True, kw_only=True)
class SharedClasses:
    """The archives of one Java with one set of jars and flags, in ``folder``."""

    folder: Path

    def whole(self) -> bool:
        """Whether the files are there, may be read, and are as they were left by one who may write to the store."""
        try:
            record: Mapping[str, list[int]] = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
            return bool(record) and all(_left(self.folder / name) == left for name, left in record.items())
        except (OSError, ValueError, AttributeError):
            return False

    def offer(self, files: Mapping[str, Path]) -> bool:
        """Put ``files`` (name → where it is now) there unless they are there; False when the store cannot take them."""
        if self.whole():
            return True
        staging = None
        try:
            self._ensure_parent()
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder.parent))
            self._fill(staging, files)
            if self.folder.exists():
                self.folder.rename(staging / "damaged")
            staging.rename(self.folder)
        except OSError:
            # It is full, or not ours to write to, or another job was faster: everyone can do without.
            if staging:
                shutil.rmtree(staging, ignore_errors=True)
            return self.whole()
        shutil.rmtree(self.folder / "damaged", ignore_errors=True)
        return True

    def _ensure_parent(self) -> None:
        parent = self.folder.parent
        if not parent.is_dir():
            parent.mkdir()
            parent.chmod(0o755)  # whatever the umask: a store is there to be read
        for left in parent.glob(".new-*"):
            if left.stat().st_mtime < time.time() - _A_DAY:
                shutil.rmtree(left)

    @staticmethod
    def _fill(staging: Path, files: Mapping[str, Path]) -> None:
        record = {}
        for name, source in files.items():
            shutil.copyfile(source, staging / name)
            (staging / name).chmod(0o444)
            with (staging / name).open("rb") as file:
                os.fsync(file.fileno())
            record[name] = _left(staging / name)
        (staging / _RECORD).write_text(json.dumps(record), encoding="utf-8")
        (staging / _RECORD).chmod(0o444)
        staging.chmod(0o755)


def _left(path: Path) -> list[int]:
    """Return size and time of a file; raises :class:`OSError` when it cannot be read."""
    with path.open("rb") as file:
        seen = os.fstat(file.fileno())
    return [seen.st_size, seen.st_mtime_ns]
