"""Airflow's Celery worker, in a cluster only: it runs several tasks, one after the other and at once."""

from __future__ import annotations

from dataclasses import replace

from lakehold.components.airflow import AIRFLOW_TASK, airflow, for_tasks, with_settings
from lakehold.components.airflow_config import render, worker_config
from lakehold.components.model import ConfigFile, Probe, Process, Site
from lakehold.components.spark import SPARK

NAME = "airflow-worker"
_SETTINGS = '''"""Read by a Celery worker when it starts."""

from lakehold.pipelines.celery_worker import prepare

prepare({path!r})
'''
_READY_SECONDS, _DEAD_SECONDS = 20, 3600
"""It beats every other second, but not while it has lost its broker: which is no reason to end the tasks it runs."""


def _beat(site: Site) -> str:
    return str(site.temporary / "celery.beat")


def _asked(site: Site, seconds: int) -> Probe:
    script = site.checkout / "platform" / "src" / "lakehold" / "pipelines" / "beat.py"
    return Probe(command=(str(site.pythons["airflow"]), "-I", "-S", str(script), _beat(site), str(seconds)))


def _files(site: Site) -> list[ConfigFile]:
    return [
        ConfigFile(path="airflow.cfg", text=render(worker_config(site))),
        ConfigFile(path="worker/airflow_local_settings.py", text=_SETTINGS.format(path=_beat(site))),
        *for_tasks(site),
    ]


AIRFLOW_WORKER = replace(
    AIRFLOW_TASK,
    summary="a worker of Celery's, which runs Airflow's tasks",
    secrets=tuple(dict.fromkeys((*AIRFLOW_TASK.secrets, *SPARK.secrets))),
    files=_files,
    before=(),
    processes=(
        Process(
            name=NAME,
            command=lambda site: airflow(site, "celery", "worker", "--skip-serve-logs"),
            environment=with_settings("worker"),
            health=lambda site: _asked(site, _READY_SECONDS),
            alive=lambda site: _asked(site, _DEAD_SECONDS),
            memory_mb=600,
            start_seconds=180,
        ),
    ),
)
"""As one declaration."""
