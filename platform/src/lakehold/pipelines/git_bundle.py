"""DAGs from a Git repository, with the rooms beside them: a run keeps the commit it started with."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.git.bundles.git import GitDagBundle


class GitBundle(GitDagBundle):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Airflow's own bundle; our operators find ``jobs/``, ``dbt_project/`` and ``quality/`` of its commit in it."""

    @property
    def root(self) -> Path:
        """The repository's files as they are at this bundle's version."""
        return Path(self.repo_path)
