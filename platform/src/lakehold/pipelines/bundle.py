"""The checkout's DAGs, jobs, models and suites, versioned by content: a run keeps the code it started with.

The version is a hash of every file in the bundle's rooms, so git is not needed. Each version is copied once into
Airflow's bundle storage, and Airflow removes versions nobody has used for a while (``stale_bundle_cleanup_*``).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion, get_bundle_tracking_file

from lakehold.pipelines.snapshot import copy, version_of


class CheckoutBundle(BaseDagBundle):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Folders of a checkout whose versions are kept by content.

    :param checkout: where people edit the files
    :param dags: the folder with DAG files, relative to the checkout
    :param rooms: the folders that belong to a version, relative to the checkout; ``dags`` is one of them
    """

    supports_versioning = True

    def __init__(self, *, checkout: str, dags: str, rooms: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._checkout = Path(checkout)
        self._dags = dags
        self._rooms = tuple(rooms)
        self._newest: str | None = None

    def initialize(self) -> None:
        """Have the asked-for version, or the newest, on disk."""
        if self.version is None:
            self.refresh()
        else:
            self._ensure_snapshot(self.version)
        super().initialize()

    @property
    def root(self) -> Path:
        """The snapshot: a folder with the rooms of the checkout as they were at this bundle's version."""
        version = self.version or self._newest
        return Path(self.versions_dir, version) if version else self._checkout

    @property
    def path(self) -> Path:
        """The snapshot's folder of DAG files."""
        return self.root / self._dags

    def get_current_version(self) -> BundleVersion:
        """Return the content hash."""
        return BundleVersion(version=self.version or self._newest or version_of(self._checkout, self._rooms))

    def refresh(self) -> None:
        """Take a snapshot when the files have changed."""
        newest = version_of(self._checkout, self._rooms)
        if newest != self._newest:
            self._ensure_snapshot(newest)
            self._newest = newest
            self._prune()

    def _ensure_snapshot(self, version: str) -> None:
        target = Path(self.versions_dir, version)
        if target.is_dir():
            return
        with self.lock():
            if target.is_dir():
                return  # another process took it while we waited
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
            try:
                copy(self._checkout, self._rooms, staging)
                if version_of(staging, self._rooms) != version:
                    raise RuntimeError(
                        f"{self._checkout} is no longer at version {version} and its snapshot is gone; "
                        "clear the run with its newest version"
                    )
                staging.chmod(0o755)
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _prune(self) -> None:
        """Remove old snapshots no task ever used: Airflow's own clean-up knows only those that were."""
        oldest = time.time() - conf.getint("dag_processor", "stale_bundle_cleanup_age_threshold")
        for snapshot in Path(self.versions_dir).iterdir():
            used = get_bundle_tracking_file(self.name, snapshot.name).exists()
            if not used and snapshot.name != self._newest and snapshot.stat().st_mtime < oldest:
                shutil.rmtree(snapshot)
