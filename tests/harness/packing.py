"""Which tests run on one worker, and in which order, so that the workers end together.

A test takes longest where it starts servers. Files that can use the same ones stay together, and what takes minutes
comes first: a worker that finds it last would go on alone.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

SHARED = ("tests/component/airflow/",)
"""Folders whose files share servers."""
LONG = (
    *SHARED,
    "tests/component/spark/test_jobs.py",
    "tests/component/maintenance/test_engines.py",
    "tests/component/quality/test_gate.py",
    "tests/component/tables/test_engines.py",
    "tests/component/local/",
    "tests/component/dbt/",
    "tests/component/catalog/",
    "tests/component/tables/test_survival.py",
    "tests/component/lineage/",
    "tests/component/release/",
    "tests/component/quality/",
    "tests/component/trino/",
    "tests/component/maintenance/",
    "tests/component/tables/test_rest.py",
)
"""What takes minutes, longest first."""


def rank(nodeid: str) -> int:
    """The place of a test among others: a smaller one comes earlier."""
    return next((number for number, start in enumerate(LONG) if nodeid.startswith(start)), len(LONG))


class Packing(LoadFileScheduling):
    """Gives a worker one file after another, or all files of a folder that shares servers."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in SHARED if file.startswith(folder)), file)
