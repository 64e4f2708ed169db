"""The chart's values of Airflow, and of the Spark applications its tasks are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakehold.cluster.amounts import Amounts, Cores, Part, Resources, Storage, sized


class Work(Storage):
    """The working folder that Airflow's tasks and triggers share."""

    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteOnce", description="`ReadWriteOnce` keeps all tasks on one node; more nodes need the other."
    )


class Service(Part):
    """A process with pods of its own."""

    resources: Resources


class Replicated(Service):
    """A process that may run several times."""

    replicas: int = Field(default=1, ge=1, le=10, description="Pods.")


class Git(Part):
    """The repository DAGs come from, with `jobs/`, `dbt_project/` and `quality/` beside them."""

    url: str = Field(
        default="",
        pattern=r"^(https://[^\s@]+)?$",
        description="Its address (https); empty: DAGs are those of the image. A token is the key `git.token`.",
    )
    ref: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", description="Branch or tag.")
    folder: str = Field(
        default="dags", pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", description="The folder with DAG files."
    )
    seconds: int = Field(default=60, ge=5, le=86400, description="How long between two looks.")
    token: bool = Field(default=False, description="Whether it asks for a token.")


class Celery(Part):
    """With `CeleryExecutor`: workers that wait for tasks. The key `celery.broker` is their broker's address."""

    workers: Replicated = Replicated(
        replicas=2,
        resources=Resources(requests=Amounts(cpu="500m", memory="2Gi"), limits=Amounts(cpu="2", memory="5Gi")),
    )
    concurrency: int = Field(default=4, ge=1, le=64, description="Tasks that a worker runs at the same time.")
    port: int = Field(default=6379, ge=1, le=65535, description="Port of the broker, which is a Redis or Valkey.")
    drain_seconds: int = Field(
        default=600, ge=60, le=86400, description="How long a worker that is to end may work on what it has begun."
    )


class Airflow(Part):
    """Airflow."""

    executor: Literal["KubernetesExecutor", "CeleryExecutor"] = Field(
        default="KubernetesExecutor", description="A pod for each task, or workers that run many."
    )
    celery: Celery = Celery()

    git: Git = Git()

    api: Replicated = Replicated(resources=sized("airflow-api", cpu="100m", most_cpu="2"))
    scheduler: Replicated = Replicated(resources=sized("airflow-scheduler", cpu="200m", most_cpu="2"))
    dag_processor: Replicated = Replicated(resources=sized("airflow-dag-processor", cpu="100m", most_cpu="2"))
    triggerer: Replicated = Replicated(resources=sized("airflow-triggerer", cpu="50m", most_cpu="1"))
    work: Work = Work(size="2Gi")
    task: Service = Service(
        resources=Resources(requests=Amounts(cpu="250m", memory="1Gi"), limits=Amounts(cpu="2", memory="2560Mi"))
    )


class Cpu(Part):
    """Cores."""

    request: Cores = Field(default="500m", description="Cores, or thousandths of one (`250m`), that are reserved.")
    limit: Cores = Field(default="2", description="The most it gets.")


class Executor(Part):
    """A pod in which a Spark application works."""

    cores: int = Field(default=2, ge=1, le=64, description="Spark tasks an executor runs at the same time.")
    heap: str = Field(default="1g", pattern=r"^[1-9][0-9]*[mg]$", description="Java heap of an executor.")
    overhead: str = Field(
        default="512m",
        pattern=r"^[1-9][0-9]*[mg]$",
        description="Memory besides the heap (Python workers, buffers of the network); a pod gets both.",
    )
    cpu: Cpu = Cpu()


class Spark(Part):
    """Spark: the pod of a task is the driver of its one application."""

    executors: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Executor pods of each application; 0: the driver does the work (`settings.spark.cores`).",
    )
    executor: Executor = Executor()
