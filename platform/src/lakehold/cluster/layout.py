"""Where everything is in an image, and what is mounted where in a pod: what recipes, chart and pods agree on.

Every image has :data:`SYSTEM_PYTHON`, a user :data:`USER` and the checkout's ``platform/`` folder; besides these, what
its components' declarations name: artifacts below :data:`STORE`, environments below :data:`ENVS`. The image of Airflow
also has the rooms a DAG is made of (``dags/``, ``jobs/``, ``dbt_project/``, ``quality/``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path("/opt/lakehold")
STORE = Path("/opt/store")
"""One folder (or file) a pin, by the pin's name."""
ENVS = Path("/opt/envs")
PYTHON_VERSION = "3.11"
"""The Python of Debian 12, and of every environment."""
SYSTEM_PYTHON = "/usr/bin/python3.11"

ENVIRONMENTS: Mapping[str, str] = {"airflow": "airflow-cluster"}
"""Environment of the declarations → the one that images have in its place: the same versions, and what pods need."""

STATE = Path("/var/lib/lakehold")
"""The state directory of a pod; what is to last is mounted into it."""
GIVEN = Path("/etc/lakehold")
"""What the chart gives a pod: ``cluster.json``, ``secrets/<name>``, ``tls/<tls.crt|tls.key|ca.crt|postgres.crt>``."""
POSTGRES_CA = "postgres.pem"
"""The authority of an outside PostgreSQL's certificate, among a pod's TLS files."""
TASKS = "airflow-task"
"""What a pod with one of Airflow's tasks is configured as, besides Spark."""
TASK = "task.yaml"
"""The pod Airflow's tasks run in, below :data:`GIVEN`; only its scheduler has it."""
SPARK_TASK = "spark-task.yaml"
"""The pod of tasks that run Spark, beside it."""
EXECUTOR = "executor.yaml"
"""The pod of Spark's executors, below :data:`GIVEN`; only the pod of a Spark task has it."""
RUN = STATE / "run"
"""What the first container of a pod wrote for the others: one ``<name>.json`` a process or task."""

USER = 10001
"""The user of every process, and the group of every volume."""

LAKEHOLD = "lakehold"
"""The environment of the command line, the lineage service and whatever prepares something for others."""
PLATFORM = "platform"
"""The image that has it."""
IMAGES: Mapping[str, str] = {
    "postgres": "postgres",
    "objectstore": "objectstore",
    "lineage": PLATFORM,
    "trino": "trino",
    "airflow": "airflow",
}
"""Component → the image its processes run in. Spark's drivers run in Airflow's."""
SPARK_IMAGE = "spark"
"""The image of Spark's executors."""


def python(environment: str) -> Path:
    """Return the interpreter of an environment; the version is in the folder's name, as in the store of a machine."""
    name = ENVIRONMENTS.get(environment, environment)
    return ENVS / f"{name}-py{PYTHON_VERSION}" / "bin" / "python"
