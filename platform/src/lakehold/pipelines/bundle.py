"""DAG files of the checkout, versioned by their content: a run keeps the code it started with, without git.

The version is a hash of every file below the folder. Each version is copied once into Airflow's bundle storage, and
Airflow itself removes versions nobody has used for a while (``[dag_processor] stale_bundle_cleanup_*``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

_IGNORED = {"__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def files_of(folder: Path) -> Iterator[Path]:
    """All files below ``folder``, sorted, without caches; a link to a folder is not followed."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _IGNORED)
        yield from (Path(root, name) for name in sorted(names) if not name.endswith(".pyc"))


def version_of(folder: Path) -> str:
    """16 hexadecimal digits that change when a file's name or content does."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


class CheckoutBundle(BaseDagBundle):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """A folder of DAG files whose versions are kept by content.

    :param folder: where people edit the DAG files
    """

    supports_versioning = True

    def __init__(self, *, folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._folder = Path(folder)
        self._current: str | None = None

    def initialize(self) -> None:
        """Have the asked-for version (or the newest) on disk."""
        if self.version is None and self._current is None:
            self.refresh()
        elif self.version is not None and not self.path.is_dir():
            # Only reached when somebody emptied the storage: the same content can still be made a snapshot of.
            self._snapshot_of(self.version)
        super().initialize()

    @property
    def path(self) -> Path:
        """The snapshot of this bundle's version; of the newest when no version was asked for."""
        version = self.version or self._current
        return Path(self.versions_dir, version) if version else self._folder

    def get_current_version(self) -> BundleVersion:
        """Return the content hash."""
        return BundleVersion(version=self.version or self._current or version_of(self._folder))

    def refresh(self) -> None:
        """Take a snapshot when the files have changed."""
        if self.version is not None:
            return
        current = version_of(self._folder)
        if current != self._current:
            self._snapshot_of(current)
            self._current = current

    def _snapshot_of(self, version: str) -> None:
        target = Path(self.versions_dir, version)
        with self.lock():
            if target.is_dir():
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
            for path in files_of(self._folder):
                copy = staging / path.relative_to(self._folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
            if version_of(staging) != version:
                shutil.rmtree(staging)
                raise RuntimeError(f"{self._folder} is not at version {version} (any more); the snapshot was not taken")
            staging.rename(target)
