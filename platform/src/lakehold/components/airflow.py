"""Airflow 3.3.2: API server, scheduler with a LocalExecutor, DAG processor and triggerer, with users of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lakehold.components.airflow_config import config, render, task_config, url
from lakehold.components.airflow_tasks import connections, platform_of
from lakehold.components.model import Component, ConfigFile, Http, Probe, Process, Site, Task
from lakehold.pipelines.warm_client import SOCKET

ADMIN = "admin"
"""The first user; the password is the secret ``airflow.admin``."""

_SCHEDULER_SETTINGS = '''"""Read by Airflow's scheduler when it starts."""

from lakehold.pipelines.scheduler import prepare
{imports}
prepare()
'''

_DAG_PROCESSOR_SETTINGS = '''"""Read by Airflow's DAG processor when it starts."""

from lakehold.pipelines.dag_processor import prepare

prepare()
'''

_PRE_IMPORTED = """
# Every task is forked from the scheduler: what is imported here, no task has to import again.
from lakehold.pipelines import preimport  # noqa: F401
"""

_WEBSERVER_CONFIG = '''"""Flask-AppBuilder: people log in with a password kept (hashed) in Airflow's database."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
WTF_CSRF_ENABLED = True
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "20 per 40 second"
'''


def _files(site: Site) -> list[ConfigFile]:
    # In a cluster nothing is forked from the scheduler.
    imports = _PRE_IMPORTED if site.settings.airflow.tuned and site.pods is None else ""
    return [
        ConfigFile(path="airflow.cfg", text=render(config(site))),
        ConfigFile(path="webserver_config.py", text=_WEBSERVER_CONFIG),
        ConfigFile(path="scheduler/airflow_local_settings.py", text=_SCHEDULER_SETTINGS.format(imports=imports)),
        ConfigFile(path="dag-processor/airflow_local_settings.py", text=_DAG_PROCESSOR_SETTINGS),
        *for_tasks(site),
    ]


def for_tasks(site: Site) -> list[ConfigFile]:
    """Tell tasks about the platform."""
    return [
        ConfigFile(path="platform.json", text=platform_of(site).dumps()),
        ConfigFile(path="connections.json", text=connections(site)),
    ]


def _task_files(site: Site) -> list[ConfigFile]:
    return [ConfigFile(path="airflow.cfg", text=render(task_config(site))), *for_tasks(site)]


def environment(site: Site) -> dict[str, str]:
    """Give every Airflow process, and so every task, this environment."""
    conf = site.conf("airflow")
    return {
        "AIRFLOW_HOME": str(site.data("airflow")),
        "AIRFLOW_CONFIG": str(conf / "airflow.cfg"),
        "LAKEHOLD_PLATFORM": str(conf / "platform.json"),
        "PYTHONPATH": str(site.checkout / "platform" / "src"),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{site.pythons['airflow'].parent}:/usr/local/bin:/usr/bin:/bin",
    }


def with_settings(of: str) -> Callable[[Site], dict[str, str]]:
    """Let a process read the ``airflow_local_settings`` in this folder of the configuration."""

    def environment_of(site: Site) -> dict[str, str]:
        common = environment(site)
        return {**common, "PYTHONPATH": f"{common['PYTHONPATH']}:{site.conf('airflow') / of}"}

    return environment_of


def _api_environment(site: Site) -> dict[str, str]:
    # An ingress says that people came by https, or they would be sent away from it. Whoever gets in may say so.
    return {**environment(site), **({"FORWARDED_ALLOW_IPS": "*"} if site.pods else {})}


def airflow(site: Site, *arguments: str) -> list[str]:
    """Return a command of Airflow's."""
    return [str(site.pythons["airflow"]), "-m", "airflow", *arguments]


def _heartbeat(site: Site, job: str, *options: str) -> Probe:
    script = site.checkout / "platform" / "src" / "lakehold" / "pipelines" / "health.py"
    asked = [f"{url(site)}/api/v2/monitor/health", job, *options]
    return Probe(command=(str(site.pythons["airflow"]), "-I", str(script), *asked))


def _beats(job: str) -> Callable[[Site], Probe]:
    """Ask whether a job's heart has stopped; when nobody can tell, it has not."""
    return lambda site: _heartbeat(site, job, "--unless-unknown")


def _engine_socket(site: Site) -> str:
    return str(site.state / "work" / SOCKET)


def _engine(site: Site) -> list[str]:
    return [str(site.pythons["engine"]), "-m", "lakehold.pipelines.warm", _engine_socket(site)]


def _engine_environment(site: Site) -> dict[str, str]:
    source = str(site.checkout / "platform" / "src")
    # A library's own threads would be lost in a fork; one command at a time needs none.
    return {"PYTHONPATH": source, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}


def _engine_health(site: Site) -> Probe:
    script = site.checkout / "platform" / "src" / "lakehold" / "pipelines" / "warm_client.py"
    return Probe(command=(str(site.pythons["engine"]), "-I", "-S", str(script), "--check", _engine_socket(site)))


def _prepare(site: Site) -> list[str]:
    return [str(site.pythons["airflow"]), "-m", "lakehold.pipelines.prepare", ADMIN]


_TASK_SECRETS = (
    "postgres.engine",
    "postgres.publisher",
    "s3.airflow",
    "s3.engine",
    "s3.spark",
    "trino.dbt",
    "trino.gates",
    "trino.maintenance",
    "lineage.token",
)
"""What tasks use."""

AIRFLOW = Component(
    name="airflow",
    summary="runs the jobs on time and shows how they went",
    artifacts=("jdk-21",),
    pythons=("airflow", "dbt", "engine"),
    ports={"": 18080},
    needs=("postgres",),
    secrets=(
        "airflow.admin",
        "airflow.fernet",
        "airflow.jwt",
        "airflow.api-secret",
        "postgres.airflow",
        *_TASK_SECRETS,
    ),
    owns=("conf/airflow", "data/airflow", "work"),
    files=_files,
    before=(
        Task(
            name="airflow-prepare",
            command=_prepare,
            environment=environment,
            stdin=lambda site: site.secrets["airflow.admin"],
            timeout_seconds=180,
            shared=True,
            done=lambda site: [str(site.pythons["airflow"]), "-m", "lakehold.pipelines.prepared"],
            fits=lambda site: [str(site.pythons["airflow"]), "-m", "lakehold.pipelines.revisions"],
        ),
    ),
    processes=(
        Process(
            name="airflow-api",
            command=lambda site: airflow(site, "api-server", *(["--proxy-headers"] if site.pods else [])),
            environment=_api_environment,
            # The tasks' part of the API is made on its first request, which takes seconds: no task shall wait for it.
            health=lambda site: Http(url=f"http://{site.itself}:{site.ports['airflow']}/execution/health"),
            memory_mb=450,
            start_seconds=180,
        ),
        Process(
            name="airflow-scheduler",
            # The log server would listen on every address; all log files are on this machine anyway.
            command=lambda site: airflow(site, "scheduler", "--skip-serve-logs"),
            environment=with_settings("scheduler"),
            health=lambda site: _heartbeat(site, "scheduler"),
            alive=_beats("scheduler"),
            memory_mb=600,
            start_seconds=180,
        ),
        Process(
            name="airflow-dag-processor",
            command=lambda site: airflow(site, "dag-processor"),
            environment=with_settings("dag-processor"),
            health=lambda site: _heartbeat(site, "dag_processor"),
            alive=_beats("dag_processor"),
            memory_mb=350,
            start_seconds=180,
        ),
        Process(
            name="airflow-triggerer",
            command=lambda site: airflow(site, "triggerer", "--skip-serve-logs"),
            environment=environment,
            health=lambda site: _heartbeat(site, "triggerer"),
            alive=_beats("triggerer"),
            memory_mb=420,
            start_seconds=180,
            # It asks its child to end, and asks again, more firmly, after 10 s and 20 s.
            stop_seconds=30,
        ),
        Process(
            name="airflow-engine",
            command=_engine,
            environment=_engine_environment,
            health=_engine_health,
            memory_mb=300,
            one_machine=True,
        ),
    ),
)

AIRFLOW_TASK = replace(
    AIRFLOW,
    summary="a pod with one of Airflow's tasks",
    secrets=_TASK_SECRETS,
    files=_task_files,
    # Airflow's executor brings the command; this one shows by hand what a task would find.
    before=(Task(name="airflow-task", command=lambda site: airflow(site, "info"), environment=environment),),
    processes=(),
)
"""In a cluster, what a pod with a single task is given: Airflow's folders, and none of its services' keys."""
