"""The chart's values: their names, types, defaults and meaning, in this one place.

``settings`` is what ``lakehold.toml`` is on one machine, key for key; memory is what the declarations say. The rest is
what only a cluster has.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from lakehold.components.registry import COMPONENTS
from lakehold.config.settings import (
    ADDRESS,
    AirflowSettings,
    CatalogSettings,
    LineageSettings,
    SparkSettings,
    TrinoSettings,
)

_QUANTITY = r"^[1-9][0-9]*(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_NAME_OR_NONE = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"
_DIGEST = r"^(sha256:[0-9a-f]{64})?$"
_TAG = r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"
_HEADROOM = 1.5
"""A limit over a request: what a declaration states is what was measured, and a peak is not yet a leak."""

# `cpu: 2` is how everybody writes it: a pattern is asked of text only.
Quantity = Annotated[
    str, Field(pattern=_QUANTITY), WithJsonSchema({"type": ["string", "integer"], "pattern": _QUANTITY, "minimum": 1})
]
_MEMORY = {process.name: process.memory_mb for part in COMPONENTS for process in part.processes}


class Part(BaseModel):
    """A part of the values: camel case as everything of Kubernetes, and unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Amounts(Part):
    """CPU and memory."""

    cpu: Quantity = Field(description="Cores, or thousandths of one (`250m`).")
    memory: Quantity = Field(description="Bytes (`512Mi`).")


class Resources(Part):
    """What is reserved for a container, and the most it gets."""

    requests: Amounts = Field(description="What the scheduler reserves.")
    limits: Amounts = Field(description="The most it gets; over this memory it is killed.")


class Storage(Part):
    """A volume that lasts."""

    size: Quantity = Field(description="Size of the volume.")
    class_: str = Field(
        default="", alias="class", pattern=_NAME_OR_NONE, description="Storage class; empty is the cluster's default."
    )


def sized(process: str, *, cpu: str, most_cpu: str) -> Resources:
    """Return the default resources of a process, made of its declared memory."""
    memory = _MEMORY[process]
    return Resources(
        requests=Amounts(cpu=cpu, memory=f"{memory}Mi"),
        limits=Amounts(cpu=most_cpu, memory=f"{round(memory * _HEADROOM)}Mi"),
    )


def _same(model: type[BaseModel], key: str) -> Any:
    """Return the field of another model: the same default, limits and description."""
    return model.model_fields[key]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AirflowSection(_Section):
    """What of ``[airflow]`` is a setting here too."""

    parallelism: int = _same(AirflowSettings, "parallelism")
    tuned: bool = _same(AirflowSettings, "tuned")
    url: str = Field(
        default="",
        pattern=rf"{ADDRESS}|^$",
        description="Address people open Airflow at; empty: the ingress's, or that of a port-forward.",
    )


class CatalogSection(_Section):
    """What of ``[catalog]`` is a setting here too."""

    name: str = _same(CatalogSettings, "name")
    warehouse: str = _same(CatalogSettings, "warehouse")


class SettingsPart(Part):
    """The platform's settings."""

    trino: TrinoSettings = TrinoSettings()
    spark: SparkSettings = SparkSettings()
    airflow: AirflowSection = AirflowSection()
    catalog: CatalogSection = CatalogSection()
    lineage: LineageSettings = LineageSettings()


class Image(Part):
    """One image."""

    tag: str = Field(default="", pattern=_TAG, description="Tag; empty is the chart's version.")
    digest: str = Field(default="", pattern=_DIGEST, description="Digest; where it is given, the tag does not count.")


class Images(Part):
    """Where the images are."""

    registry: str = Field(
        default="localhost/lakehold",
        pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$",
        description="Registry and folder of all images: where what `make images` built was pushed to.",
    )
    pull_secrets: list[Annotated[str, Field(pattern=_NAME)]] = Field(
        default=[], description="Secrets of this namespace with the registry's login."
    )
    platform: Image = Image()
    postgres: Image = Image()
    objectstore: Image = Image()
    trino: Image = Image()
    airflow: Image = Image()


class Secrets(Part):
    """Passwords and keys."""

    existing_secret: str = Field(
        default="",
        pattern=_NAME_OR_NONE,
        description="A Secret of yours with every key this page lists; empty: one is made once and then kept.",
    )


class Tls(Part):
    """The certificate inside of the cluster."""

    existing_secret: str = Field(
        default="",
        pattern=_NAME_OR_NONE,
        description="A Secret of yours with `tls.crt`, `tls.key` and `ca.crt`; empty: an authority of its own is made.",
    )


class Network(Part):
    """Who may talk to whom."""

    clients: list[dict[str, Any]] = Field(
        default=[],
        description="Peers, as in a NetworkPolicy, that may reach Airflow, Trino and the lineage page.",
    )
    api_server: str = Field(
        default="0.0.0.0/0",
        description="Addresses of the Kubernetes API; only what has to ask it may reach them.",
    )
    api_ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default=[443, 6443], description="Ports of the Kubernetes API."
    )


class Hosts(Part):
    """Host names."""

    airflow: str = Field(default="", pattern=_NAME_OR_NONE, description="Host name of Airflow; empty is none.")
    trino: str = Field(default="", pattern=_NAME_OR_NONE, description="Host name of Trino; empty is none.")
    lineage: str = Field(default="", pattern=_NAME_OR_NONE, description="Host name of the lineage page; empty is none.")


class Ingress(Part):
    """The way in from outside, for the controller that is there; `network.clients` has to let it through."""

    class_: str = Field(
        default="", alias="class", pattern=_NAME_OR_NONE, description="Ingress class; empty is the cluster's default."
    )
    tls_secret: str = Field(
        default="",
        pattern=_NAME_OR_NONE,
        description="Secret with a certificate for all hosts; without it the controller shows its own.",
    )
    hosts: Hosts = Hosts()
    annotations: dict[str, str] = Field(default={}, description="Annotations of every Ingress.")
    trino_annotations: dict[str, str] = Field(
        default={}, description="More of Trino's, which is spoken to by https: your controller has one that says so."
    )


class Postgres(Part):
    """The bundled PostgreSQL."""

    storage: Storage = Storage(size="8Gi")
    resources: Resources = sized("postgres", cpu="100m", most_cpu="2")


class Objectstore(Part):
    """The bundled object store."""

    storage: Storage = Storage(size="20Gi")
    resources: Resources = sized("objectstore", cpu="50m", most_cpu="2")


class Trino(Part):
    """Trino."""

    resources: Resources = sized("trino", cpu="500m", most_cpu="2")


class Lineage(Part):
    """The lineage service."""

    replicas: int = Field(default=1, ge=1, le=10, description="Pods; they share their state in PostgreSQL.")
    resources: Resources = sized("lineage", cpu="50m", most_cpu="1")


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


class Airflow(Part):
    """Airflow."""

    api: Replicated = Replicated(resources=sized("airflow-api", cpu="100m", most_cpu="2"))
    scheduler: Service = Service(resources=sized("airflow-scheduler", cpu="200m", most_cpu="2"))
    dag_processor: Service = Service(resources=sized("airflow-dag-processor", cpu="100m", most_cpu="2"))
    triggerer: Service = Service(resources=sized("airflow-triggerer", cpu="50m", most_cpu="1"))
    work: Work = Work(size="2Gi")
    task: Service = Service(
        resources=Resources(requests=Amounts(cpu="250m", memory="1Gi"), limits=Amounts(cpu="2", memory="2560Mi"))
    )


class Setup(Part):
    """What prepares the rest: the Jobs, and the first containers of each pod."""

    seconds: int = Field(
        default=900, ge=60, le=86400, description="How long one waits for what it needs before it has failed."
    )
    resources: Resources = Resources(
        requests=Amounts(cpu="50m", memory="128Mi"), limits=Amounts(cpu="1", memory="768Mi")
    )


class Values(Part):
    """All values of the chart."""

    full_name: str = Field(
        default="",
        pattern=r"^([a-z]([-a-z0-9]{0,28}[a-z0-9])?)?$",
        description="Beginning of every object's name; empty is the release's name.",
    )
    settings: SettingsPart = SettingsPart()
    images: Images = Images()
    secrets: Secrets = Secrets()
    tls: Tls = Tls()
    network: Network = Network()
    ingress: Ingress = Ingress()
    setup: Setup = Setup()
    postgres: Postgres = Postgres()
    objectstore: Objectstore = Objectstore()
    trino: Trino = Trino()
    lineage: Lineage = Lineage()
    airflow: Airflow = Airflow()
