"""The settings of an installation: their names, types, defaults and meaning, in this one place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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


class CatalogSettings(_Section):
    """``[catalog]``: the Iceberg catalog."""

    type: Literal["jdbc", "rest"] = Field(default="jdbc", description="`jdbc`: in our PostgreSQL; `rest`: by `uri`.")
    name: str = Field(default="lakehouse", description="Catalog name, the same in every engine.")
    uri: str | None = Field(default=None, description="Address of an outside Iceberg REST catalog.")
    warehouse: str = Field(default="s3://lakehouse/", description="Where tables live, ending in a slash.")


class Settings(_Section):
    """The whole of ``lakehold.toml``."""

    state: Path = Field(default=Path(".lakehold"), description="Folder with all state, relative to the checkout.")
    bind: str = Field(default="127.0.0.1", description="Address everything listens on.")
    ports: dict[str, int] = Field(default_factory=dict, description="Fixed ports: `postgres = 15432`, `airflow = …`.")
    trino: TrinoSettings = TrinoSettings()
    spark: SparkSettings = SparkSettings()
    airflow: AirflowSettings = AirflowSettings()
    catalog: CatalogSettings = CatalogSettings()
