"""Small files that must never be seen half-written, and the lock that keeps two verbs from changing them at once."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def ensure_directory(path: Path) -> Path:
    """Make ``path`` (mode 0700) and its parents; an existing folder's mode is corrected."""
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o777 != DIRECTORY_MODE:
        path.chmod(DIRECTORY_MODE)
    return path


def write_atomic(path: Path, text: str, mode: int = FILE_MODE) -> bool:
    """Write ``text`` so that a reader sees the old or the new file, never a part; return whether anything changed."""
    try:
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == mode:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``; ``None`` when it does not exist or was cut short by a crash."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: Any) -> bool:
    """Write ``value`` as JSON, atomically."""
    return write_atomic(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


@contextmanager
def locked(path: Path, on_wait: Callable[[int | None], None] | None = None, poll: float = 0.1) -> Iterator[None]:
    """Hold an exclusive lock on ``path``, which names its holder's pid while it is held.

    ``on_wait`` is called with that pid each time the lock was found taken; it may raise to give up.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if on_wait:
                    written = os.pread(descriptor, 32, 0).strip()
                    on_wait(int(written) if written.isdigit() else None)
                time.sleep(poll)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
