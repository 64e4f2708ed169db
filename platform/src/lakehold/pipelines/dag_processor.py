"""What Airflow's DAG processor is given when it starts (``airflow_local_settings``)."""

from __future__ import annotations

from typing import Any

from airflow.dag_processing.manager import DagFileProcessorManager


def prepare() -> None:
    """Let a file rest between two readings also after a callback of one of its runs.

    Airflow 3.3.2 keeps what it knows of a callback's file, which has a version and no time of its last reading, beside
    what it knows of the file itself, and then finds the former: the file is read again and again, which takes half a
    core for good (apache/airflow#73432). Every task that ends in the triggerer has such a callback.
    """
    handle = DagFileProcessorManager.handle_parsing_result

    def handle_and_forget(manager: Any, file: Any, *args: Any, **kwargs: Any) -> None:
        handle(manager, file, *args, **kwargs)
        if file.bundle_version is not None:
            manager._file_stats.pop(file, None)

    DagFileProcessorManager.handle_parsing_result = handle_and_forget
