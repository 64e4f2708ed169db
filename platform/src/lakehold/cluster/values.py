"""The chart's values: their names, types, defaults and meaning, in this one place.

``settings`` is what ``lakehold.toml`` is on one machine, key for key; memory is what the declarations say. The rest is
what only a cluster has.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lakehold.cluster.amounts import NAME, NAME_OR_NONE, Amounts, Cidr, Part, Resources, Storage, sized
from lakehold.cluster.values_airflow import Airflow, Spark
from lakehold.cluster.values_openmetadata import OpenMetadata
from lakehold.cluster.values_postgres import Postgres
from lakehold.config.settings import (
    ADDRESS,
    AirflowSettings,
    CatalogSettings,
    LineageSettings,
    OpenLineageSettings,
    OpenMetadataSettings,
    S3Settings,
    SparkSettings,
    TrinoSettings,
)

_DIGEST = r"^(sha256:[0-9a-f]{64})?$"
_TAG = r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"


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

    type: Literal["jdbc", "rest"] = _same(CatalogSettings, "type")
    name: str = _same(CatalogSettings, "name")
    uri: str | None = _same(CatalogSettings, "uri")
    warehouse: str = _same(CatalogSettings, "warehouse")
    rest_warehouse: str | None = _same(CatalogSettings, "rest_warehouse")
    oauth2_uri: str | None = _same(CatalogSettings, "oauth2_uri")
    oauth2_scope: str | None = _same(CatalogSettings, "oauth2_scope")


class OpenLineageSection(_Section):
    """What of ``[openlineage]`` is a setting here too."""

    url: str = Field(
        default="",
        pattern=rf"{ADDRESS}|^$",
        description=f"{OpenLineageSettings.model_fields['url'].description} Empty: there is none.",
    )


class OpenMetadataSection(_Section):
    """What of ``[openmetadata]`` is a setting here too."""

    url: str = Field(
        default="",
        pattern=rf"{ADDRESS}|^$",
        description="Address of an OpenMetadata that lineage is published to, with the key `openmetadata.token`; "
        "empty: the one of this chart, where it is enabled.",
    )
    service: str = _same(OpenMetadataSettings, "service")


class SettingsPart(Part):
    """The platform's settings."""

    trino: TrinoSettings = TrinoSettings()
    spark: SparkSettings = SparkSettings()
    airflow: AirflowSection = AirflowSection()
    catalog: CatalogSection = CatalogSection()
    s3: S3Settings = S3Settings()
    lineage: LineageSettings = LineageSettings()
    openlineage: OpenLineageSection = OpenLineageSection()
    openmetadata: OpenMetadataSection = OpenMetadataSection()


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
    pull_secrets: list[Annotated[str, Field(pattern=NAME)]] = Field(
        default=[], description="Secrets of this namespace with the registry's login."
    )
    platform: Image = Image()
    postgres: Image = Image()
    objectstore: Image = Image()
    trino: Image = Image()
    airflow: Image = Image()
    spark: Image = Image()


class Secrets(Part):
    """Passwords and keys."""

    existing_secret: str = Field(
        default="",
        pattern=NAME_OR_NONE,
        description="A Secret of yours with every key this page lists; empty: one is made once and then kept.",
    )
    outside: str = Field(
        default="",
        pattern=NAME_OR_NONE,
        description="A Secret of yours with what outside services want; empty: it is all in `existingSecret`.",
    )
    catalog: Literal["none", "credential", "token"] = Field(
        default="none", description="How one logs in to an outside REST catalog: with which key of that Secret."
    )
    openlineage: bool = Field(
        default=False, description="Whether `settings.openlineage.url` asks for a token: the key `openlineage.token`."
    )


class Tls(Part):
    """The certificate inside of the cluster."""

    existing_secret: str = Field(
        default="",
        pattern=NAME_OR_NONE,
        description="A Secret of yours with `tls.crt`, `tls.key` and `ca.crt`; empty: an authority of its own is made.",
    )


_Addresses = list[Cidr]


class Outside(Part):
    """Addresses of what is outside, as far as it is used."""

    postgres: _Addresses = Field(default=["0.0.0.0/0"], description="Of an outside PostgreSQL.")
    objectstore: _Addresses = Field(default=["0.0.0.0/0"], description="Of an outside object store.")
    catalog: _Addresses = Field(default=["0.0.0.0/0"], description="Of an outside REST catalog.")
    openmetadata: _Addresses = Field(default=["0.0.0.0/0"], description="Of OpenMetadata's own PostgreSQL.")
    openlineage: _Addresses = Field(default=["0.0.0.0/0"], description="Of another OpenLineage endpoint.")
    openmetadata_server: _Addresses = Field(
        default=["0.0.0.0/0"], description="Of an OpenMetadata elsewhere that lineage is published to."
    )
    broker: _Addresses = Field(default=["0.0.0.0/0"], description="Of Celery's broker.")
    git: _Addresses = Field(default=["0.0.0.0/0"], description="Of the repository with DAGs.")


class Network(Part):
    """Who may talk to whom."""

    clients: list[dict[str, Any]] = Field(
        default=[],
        description="Peers, as in a NetworkPolicy, that may reach Airflow, Trino and the lineage page.",
    )
    api_server: Cidr = Field(
        default="0.0.0.0/0",
        description="Addresses of the Kubernetes API; only what has to ask it may reach them.",
    )
    api_ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default=[443, 6443], description="Ports of the Kubernetes API."
    )
    outside: Outside = Outside()


class Hosts(Part):
    """Host names."""

    airflow: str = Field(default="", pattern=NAME_OR_NONE, description="Host name of Airflow; empty is none.")
    trino: str = Field(default="", pattern=NAME_OR_NONE, description="Host name of Trino; empty is none.")
    lineage: str = Field(default="", pattern=NAME_OR_NONE, description="Host name of the lineage page; empty is none.")


class Ingress(Part):
    """The way in from outside, for the controller that is there; `network.clients` has to let it through."""

    class_: str = Field(
        default="", alias="class", pattern=NAME_OR_NONE, description="Ingress class; empty is the cluster's default."
    )
    tls_secret: str = Field(
        default="",
        pattern=NAME_OR_NONE,
        description="Secret with a certificate for all hosts; without it the controller shows its own.",
    )
    hosts: Hosts = Hosts()
    annotations: dict[str, str] = Field(default={}, description="Annotations of every Ingress.")
    trino_annotations: dict[str, str] = Field(
        default={}, description="More of Trino's, which is spoken to by https: your controller has one that says so."
    )


class Objectstore(Part):
    """The bundled object store; with `settings.s3.endpoint` there is none."""

    storage: Storage = Storage(size="20Gi")
    resources: Resources = sized("objectstore", cpu="50m", most_cpu="2")


class Autoscale(Part):
    """More pods when they are busy; it needs a metrics server."""

    most: int = Field(default=0, ge=0, le=500, description="Most pods; 0: their number stays as it is.")
    cpu: int = Field(default=70, ge=10, le=95, description="Percent of the reserved cores that should be busy.")


class Workers(Part):
    """Trino's further nodes: with any, the coordinator takes queries and works on none."""

    replicas: int = Field(default=0, ge=0, le=500, description="Pods, or the fewest where they autoscale; 0: none.")
    autoscale: Autoscale = Autoscale()
    drain_seconds: int = Field(
        default=600, ge=60, le=86400, description="How long a worker that is to end may work on what it has begun."
    )
    resources: Resources = sized("trino", cpu="1", most_cpu="2")


class Trino(Part):
    """Trino."""

    workers: Workers = Workers()

    resources: Resources = sized("trino", cpu="500m", most_cpu="2")


class Lineage(Part):
    """The lineage service."""

    replicas: int = Field(default=1, ge=1, le=10, description="Pods; they share their state in PostgreSQL.")
    resources: Resources = sized("lineage", cpu="50m", most_cpu="1")


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
    spark: Spark = Spark()
    openmetadata: OpenMetadata = OpenMetadata()
