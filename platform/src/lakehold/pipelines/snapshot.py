"""The files of a checkout that make a DAG version: their hash, and a copy of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

_GENERATED = {"__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "target", "logs", "dbt_packages"}


def files_of(checkout: Path, rooms: Sequence[str]) -> Iterator[Path]:
    """All files in the rooms, in a fixed order, without what tools generate; a link to a folder is not followed."""
    for room in rooms:
        for root, folders, names in os.walk(checkout / room):
            folders[:] = sorted(name for name in folders if name not in _GENERATED)
            yield from (Path(root, name) for name in sorted(names) if not name.endswith(".pyc"))


def version_of(checkout: Path, rooms: Sequence[str]) -> str:
    """16 hexadecimal digits that change when a file's name or content does."""
    digest = hashlib.sha256()
    for path in files_of(checkout, rooms):
        digest.update(str(path.relative_to(checkout)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def copy(checkout: Path, rooms: Sequence[str], target: Path) -> None:
    """Copy the rooms below ``target``; an empty or missing room becomes an empty folder.

    Every copy is newer than its source, so Airflow reads a DAG's file again also when only a model has changed.
    """
    for room in rooms:
        (target / room).mkdir(parents=True, exist_ok=True)
    for path in files_of(checkout, rooms):
        made = target / path.relative_to(checkout)
        made.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, made)
