"""``airflow.cfg`` as data: every setting that differs from Airflow's defaults, and why."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote

from lakehold.components.model import Pods, Site
from lakehold.config import posting
from lakehold.tables.catalog import in_url

Config = Mapping[str, Mapping[str, object]]

BROKER = "celery.broker"
"""The secret with the broker's whole address; never generated."""
LOGS_CONNECTION = "lakehold_logs"
"""The connection by which logs are kept in the store, in a cluster."""
GIT_CONNECTION = "lakehold_git"
"""The connection to the repository DAGs come from, where they do."""


def url(site: Site) -> str:
    """Where the API server and the UI are."""
    return f"http://{site.at('airflow')}:{site.ports['airflow']}"


def fernet_key(secret: str) -> str:
    """Derive a Fernet key (32 bytes, URL-safe base64) from a generated secret of any form."""
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode()


def jwt_secret(secret: str) -> str:
    """Derive a signing key as long as HS512 wants it (at least 64 bytes) from a generated secret of any form."""
    return hashlib.sha512(secret.encode()).hexdigest()


def config(site: Site) -> Config:
    """All sections of ``airflow.cfg``."""
    return {
        "core": {**_core(site), "fernet_key": fernet_key(site.secrets["airflow.fernet"])},
        "database": _database(site),
        "logging": _logging(site),
        "api": _api(site),
        "api_auth": {"jwt_secret": jwt_secret(site.secrets["airflow.jwt"]), "jwt_issuer": "lakehold"},
        "fab": {
            "config_file": site.conf("airflow") / "webserver_config.py",
            # `prepare` synchronises the permissions; the API server need not do it again at each start.
            "update_fab_perms": False,
        },
        "scheduler": _scheduler(site),
        "workers": _workers(site),
        **({"kubernetes_executor": _pods(site.pods)} if site.pods and not site.pods.celery else {}),
        **_celery(site),
        "dag_processor": _dag_processor(site),
        "openlineage": _openlineage(site),
        "secrets": _secrets(site),
    }


def task_config(site: Site) -> Config:
    """Sections for a pod that runs one task: without the keys of Airflow's services and without its database.

    The API server gives a task what it may have; a task that knew the key tokens are signed with, or the database's
    password, could give itself the rest.
    """
    return {
        "core": _core(site),
        "logging": _logging(site),
        "api": {"base_url": public_url(site)},
        "workers": _workers(site),
        "dag_processor": _dag_processor(site),
        "openlineage": _openlineage(site),
        "secrets": _secrets(site),
    }


def worker_config(site: Site) -> Config:
    """Sections for a Celery worker: those of a task, and where it is given tasks."""
    return {**task_config(site), **_celery(site)}


def render(sections: Config) -> str:
    """Write sections as ``airflow.cfg``; ``%`` is doubled because Airflow interpolates values."""
    blocks = []
    for section, values in sections.items():
        lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items()]
        blocks.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def _core(site: Site) -> dict[str, object]:
    airflow = site.settings.airflow
    return {
        "dags_folder": site.checkout / airflow.dags,
        "plugins_folder": site.data("airflow") / "plugins",
        "executor": _executor(site),
        "auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "parallelism": airflow.parallelism,
        "max_active_tasks_per_dag": max(16, airflow.parallelism),
        "load_examples": False,
        "dags_are_paused_at_creation": False,
        "execution_api_server_url": f"{url(site)}/execution/",
        # The default asks DNS for a full name, which can take seconds on a machine without a network.
        "hostname_callable": "socket.gethostname",
    }


def _executor(site: Site) -> str:
    if site.pods is None:
        return "LocalExecutor"
    return "CeleryExecutor" if site.pods.celery else "KubernetesExecutor"


def _celery(site: Site) -> Config:
    """How services and workers find each other: a broker that also keeps results, so that no worker has a database."""
    if not (site.pods and site.pods.celery):
        return {}
    broker = site.secrets[BROKER]
    return {
        "celery": {
            "broker_url": broker,
            "result_backend": broker,
            "worker_concurrency": site.pods.celery,
            # One that waits behind another on a busy worker could run on an idle one.
            "worker_prefetch_multiplier": 1,
        },
        # What runs longer than this is taken for lost and started a second time.
        "celery_broker_transport_options": {"visibility_timeout": 7 * 24 * 3600},
    }


def _database(site: Site) -> dict[str, object]:
    password = quote(site.secrets["postgres.airflow"], safe="")
    where = f"airflow:{password}@{site.at('postgres')}:{site.ports['postgres']}/airflow"
    tls = in_url(site.postgres_tls)
    # asyncpg takes libpq's words in an address of its own only, here one that says nothing else.
    asyncpg = in_url({"dsn": f"postgresql:///{tls}"}) if tls else ""
    return {
        "sql_alchemy_conn": f"postgresql+psycopg2://{where}{tls}",
        "sql_alchemy_conn_async": f"postgresql+asyncpg://{where}{asyncpg}",
        # `prepare` has migrated the database before any process starts.
        "check_migrations": False,
    }


def _logging(site: Site) -> dict[str, object]:
    logs = site.data("airflow") / "logs"
    return {
        "base_log_folder": logs,
        "dag_processor_child_process_log_directory": logs / "dag_processor",
        "colored_console_log": False,
        **(_remote_logs(site.settings.s3.logs_bucket) if site.pods else {}),
    }


def _remote_logs(bucket: str) -> dict[str, object]:
    """A pod's files go with it: when a task has ended, its log goes to the store, where the API server finds it."""
    return {
        "remote_logging": True,
        "remote_base_log_folder": f"s3://{bucket}/airflow",
        "remote_log_conn_id": LOGS_CONNECTION,
    }


def _api(site: Site) -> dict[str, object]:
    return {
        "instance_name": "Lakehold",
        "base_url": public_url(site),
        "host": site.host,
        "port": site.ports["airflow"],
        "workers": 1,
        "secret_key": site.secrets["airflow.api-secret"],
        "expose_config": False,
        "expose_stacktrace": False,
    }


def public_url(site: Site) -> str:
    """Return where people open the UI, and are sent to log in."""
    return site.settings.airflow.url or url(site)


def _secrets(site: Site) -> dict[str, object]:
    return {
        "backend": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "backend_kwargs": json.dumps({"connections_file_path": str(site.conf("airflow") / "connections.json")}),
    }


def _scheduler(site: Site) -> dict[str, object]:
    values: dict[str, object] = {
        # "@daily" means the day that has just ended, as in Airflow 2: our jobs work on a data interval.
        "create_cron_data_intervals": True,
        "catchup_by_default": False,
        # A killed scheduler's tasks die with it (`pipelines.forks`); the next one takes them up again after this time.
        "orphaned_tasks_check_interval": 15,
        "scheduler_health_check_threshold": 20,
        "task_instance_heartbeat_timeout": 60,
        "task_instance_heartbeat_timeout_detection_interval": 10,
    }
    if site.settings.airflow.tuned:
        # A chain of tasks waits this long between any two of them (stock: 1 s).
        values["scheduler_idle_sleep_time"] = 0.1
    return values


def _pods(pods: Pods) -> dict[str, object]:
    """Every task is a pod made from one template; the executor adds its arguments and labels."""
    return {
        "namespace": pods.namespace,
        "pod_template_file": pods.template,
        # One a loop is the default; the scheduler's own limit (`parallelism`) is the one that counts.
        "worker_pods_creation_batch_size": 16,
        # What is left of one that failed would stay for ever, and the pods that belong to it (Spark's executors) with
        # it. Its log is in the store, and the scheduler's says how its containers ended.
        "delete_worker_pods_on_failure": True,
    }


def _workers(site: Site) -> dict[str, object]:
    # A task's supervisor waits up to one interval (stock: 5 s) for a child that has already ended.
    return {"min_heartbeat_interval": 1} if site.settings.airflow.tuned else {}


def _bundle(site: Site) -> dict[str, object]:
    """Where DAGs are: in a repository, or in this checkout (in a pod: in the image)."""
    if site.pods and (git := site.pods.git):
        return {
            "name": "git",
            "classpath": "lakehold.pipelines.git_bundle.GitBundle",
            "kwargs": {
                "tracking_ref": git.ref,
                "subdir": git.dags,
                "git_conn_id": GIT_CONNECTION,
                "refresh_interval": git.seconds,
            },
        }
    dags = str(site.settings.airflow.dags)
    return {
        "name": "checkout",
        "classpath": "lakehold.pipelines.bundle.CheckoutBundle",
        "kwargs": {
            "checkout": str(site.checkout),
            "dags": dags,
            "rooms": [dags, "jobs", "dbt_project", "quality"],
        },
    }


def _dag_processor(site: Site) -> dict[str, object]:
    return {
        "dag_bundle_storage_path": site.data("airflow") / "bundles",
        "dag_bundle_config_list": json.dumps([_bundle(site)]),
        "refresh_interval": 5,
        # A run may wait for days, and still needs its code then.
        "stale_bundle_cleanup_age_threshold": 7 * 24 * 3600,
        "parsing_processes": 1,
    }


def _openlineage(site: Site) -> dict[str, object]:
    transport = {
        "type": "http",
        "url": f"http://{site.at('lineage')}:{site.ports['lineage']}",
        "endpoint": "api/v1/lineage",
        # A task posts at its begin and at its end, and waits for both.
        "timeout": posting.PATIENCE_SECONDS,
        "auth": {"type": "api_key", "apiKey": site.secrets["lineage.token"]},
        # With the default retries a sink that is down holds a task's slot for 18 s.
        "retry": {"total": 0},
    }
    return {
        "namespace": "lakehold",
        "transport": json.dumps(transport),
        # A forked child that hangs in its sink can leave the task running for ever.
        "execute_in_thread": True,
        "execution_timeout": 3,
    }
