"""The settings of an installation: their names, types, defaults and meaning, in this one place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehold.config.platform import LANDING, QUARANTINE

ADDRESS = r"^https?://[^\s/@?#]+(/[^\s@]*)?$"
"""Without a user or password: addresses are shown and logged."""

S3_USERS = ("trino", "spark", "engine", "airflow", "delivery", "lineage")
"""Who uses the object store: in the bundled one a user each, whose name is its access key."""
BUNDLED_REGION = "us-east-1"
"""S3 region of the bundled store; AWS SDKs insist on one."""
_BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
"""What every store takes for a bucket's name; with a dot in it, no certificate fits an address that begins with it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrinoSettings(_Section):
    """``[trino]``."""

    heap: str = Field(default="2G", pattern=r"^[1-9][0-9]*[MG]$", description="Java heap of Trino (-Xmx).")
    query_max_memory: str = Field(default="1GB", description="Most memory one query may use.")


class SparkSettings(_Section):
    """``[spark]``."""

    driver_heap: str = Field(default="1g", pattern=r"^[1-9][0-9]*[mg]$", description="Java heap of a Spark driver.")
    cores: int = Field(default=2, ge=1, description="Threads of a Spark application (local[N]).")


class AirflowSettings(_Section):
    """``[airflow]``."""

    parallelism: int = Field(default=4, ge=1, description="Tasks that run at the same time.")
    dags: Path = Field(default=Path("dags"), description="Folder with DAG files, relative to the checkout.")
    tuned: bool = Field(default=True, description="Use Lakehold's scheduler tuning; false is stock Airflow.")
    url: str | None = Field(
        default=None,
        pattern=ADDRESS,
        description="Address people open Airflow at, where that is another (a proxy, an ingress).",
    )


class CatalogSettings(_Section):
    """``[catalog]``: the Iceberg catalog."""

    type: Literal["jdbc", "rest"] = Field(default="jdbc", description="`jdbc`: in our PostgreSQL; `rest`: by `uri`.")
    name: str = Field(default="lakehouse", description="Catalog name, the same in every engine.")
    uri: str | None = Field(default=None, description="Address of an outside Iceberg REST catalog.")
    warehouse: str = Field(
        default="s3://lakehouse/",
        pattern=r"^s3://[^\s/@?#]+/([^\s/?#]+/)*$",
        description="Where tables live, ending in a slash.",
    )
    rest_warehouse: str | None = Field(
        default=None, description="The REST catalog's own name for its warehouse, where that is not `warehouse`."
    )
    oauth2_uri: str | None = Field(
        default=None, description="Token endpoint of the REST catalog's OAuth2 server; by default the catalog's own."
    )
    oauth2_scope: str | None = Field(default=None, description="Scope asked for together with `credential_file`.")
    credential_file: Path | None = Field(
        default=None, description="File (0600) with `client-id:client-secret` for the REST catalog's OAuth2 server."
    )
    token_file: Path | None = Field(default=None, description="File (0600) with a bearer token for the REST catalog.")

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        login = [key for key in ("oauth2_uri", "oauth2_scope", "credential_file", "token_file") if getattr(self, key)]
        if login and self.type != "rest":
            raise ValueError(f'{login[0]} is for an outside catalog, but type is "{self.type}"')
        if self.credential_file and self.token_file:
            raise ValueError("credential_file and token_file are two ways to log in: keep one")
        if not self.credential_file and (self.oauth2_uri or self.oauth2_scope):
            raise ValueError("oauth2_uri and oauth2_scope ask for a token with a credential: set credential_file")
        return self


class S3Settings(_Section):
    """``[s3]``: the object store, where it is an outside one. Its buckets, users and their rights are made there."""

    endpoint: str | None = Field(
        default=None,
        pattern=ADDRESS,
        description="In a cluster: address of an outside S3 store; by default the bundled one is used.",
    )
    region: str = Field(default=BUNDLED_REGION, pattern=r"^[a-z0-9-]{1,32}$", description="Its region.")
    access_keys: dict[str, str] = Field(
        default_factory=dict,
        json_schema_extra={"propertyNames": {"enum": list(S3_USERS)}},
        description="Access keys there of `trino`, `spark`, `engine`, `airflow`, `lineage` and `delivery`; by default "
        "these names. The secret keys are the secrets `s3.<name>`.",
    )
    landing_bucket: str = Field(
        default=LANDING, pattern=rf"^{_BUCKET}$", description="Bucket that files are delivered to."
    )
    quarantine_bucket: str = Field(
        default=QUARANTINE, pattern=rf"^{_BUCKET}$", description="Bucket that refused files are copied to."
    )
    logs_bucket: str = Field(
        default="logs", pattern=rf"^{_BUCKET}$", description="In a cluster: bucket that tasks' logs are kept in."
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.access_keys) - set(S3_USERS))
        if unknown:
            raise ValueError(f"access_keys.{unknown[0]}: nobody of this name; there are {', '.join(S3_USERS)}")
        if not self.endpoint and (self.access_keys or self.region != BUNDLED_REGION):
            raise ValueError("region and access_keys are an outside store's: set endpoint")
        return self

    @property
    def buckets(self) -> tuple[str, ...]:
        """Every bucket but the warehouse's."""
        return self.landing_bucket, self.quarantine_bucket, self.logs_bucket


class LineageSettings(_Section):
    """``[lineage]``: how long what lineage knows is kept."""

    events_days: int = Field(default=90, ge=1, description="Days events are kept as they were sent.")
    history_days: int = Field(
        default=730, ge=1, description="Days runs are kept, and edges since they ended. What is valid always stays."
    )
    close_hours: int = Field(
        default=24, ge=1, description="Hours without an event after which a run that never ended counts as closed."
    )
    trusted_users: str | None = Field(
        default=None,
        pattern=r"^[^,\s]*(\s*,\s*[^,\s]+)*$",
        description="Further Trino users, by commas, whose queries may name the task or dbt model they are of.",
    )


class OpenLineageSettings(_Section):
    """``[openlineage]``: another OpenLineage endpoint that is sent every event."""

    url: str | None = Field(
        default=None, pattern=ADDRESS, description="Whole address of an OpenLineage endpoint that is sent every event."
    )
    token_file: Path | None = Field(default=None, description="File (0600) with that endpoint's bearer token.")
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authority its certificate is from, if the machine lacks it."
    )

    @model_validator(mode="after")
    def _for_something(self) -> Self:
        if (self.token_file or self.ca_file) and not self.url:
            raise ValueError("token_file and ca_file are for an endpoint: set url")
        return self


class OpenMetadataSettings(_Section):
    """``[openmetadata]``: the OpenMetadata that lineage is published to: somebody else's, or one that is run here."""

    url: str | None = Field(
        default=None, pattern=ADDRESS, description="Address of an OpenMetadata that lineage is published to."
    )
    token_file: Path | None = Field(default=None, description="File (0600) with the token of one of its bots.")
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authority its certificate is from, if the machine lacks it."
    )
    service: str = Field(
        default="lakehold",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Name of the database service there; Airflow's and the files' services are named after it.",
    )
    home: Path | None = Field(
        default=None, description="Folder of an unpacked OpenMetadata release, which is run here and published to."
    )
    search: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/@?#:]+:[0-9]+$",
        description="Address, with its port, of the OpenSearch that the OpenMetadata in `home` uses.",
    )
    heap: str = Field(
        default="1g", pattern=r"^[1-9][0-9]*[mg]$", description="Java heap of the OpenMetadata in `home`."
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if self.home and (self.url or self.token_file or self.ca_file):
            raise ValueError("home is run here and needs no url, token_file or ca_file: keep one of both")
        if bool(self.home) != bool(self.search):
            raise ValueError("home and search belong together: OpenMetadata needs an OpenSearch")
        if bool(self.url) != bool(self.token_file):
            raise ValueError("url and token_file belong together: OpenMetadata takes nothing from somebody unknown")
        return self


class Settings(_Section):
    """The whole of ``lakehold.toml``."""

    state: Path = Field(default=Path(".lakehold"), description="Folder with all state, relative to the checkout.")
    bind: str = Field(default="127.0.0.1", description="Address everything listens on.")
    ports: dict[str, int] = Field(default_factory=dict, description="Fixed ports: `postgres = 15432`, `airflow = …`.")
    trino: TrinoSettings = TrinoSettings()
    spark: SparkSettings = SparkSettings()
    airflow: AirflowSettings = AirflowSettings()
    catalog: CatalogSettings = CatalogSettings()
    s3: S3Settings = S3Settings()
    lineage: LineageSettings = LineageSettings()
    openlineage: OpenLineageSettings = OpenLineageSettings()
    openmetadata: OpenMetadataSettings = OpenMetadataSettings()

    @model_validator(mode="after")
    def _own_buckets(self) -> Self:
        # Whoever delivers may write all of theirs.
        names = (*self.s3.buckets, self.catalog.warehouse.split("/")[2])
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f'the bucket "{twice}" cannot be two of landing, quarantine, logs and the warehouse')
        return self
