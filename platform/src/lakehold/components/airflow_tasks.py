"""What Airflow's tasks are told about the platform: ``platform.json`` for ours, connections for everyone else's."""

from __future__ import annotations

import json

from lakehold.components.airflow_config import LOGS_CONNECTION
from lakehold.components.model import Site
from lakehold.components.spark import properties_file, shared_classes
from lakehold.config.platform import LineageAddress, Platform, S3Address, TrinoAddress
from lakehold.tables.catalog import REGION, publisher_connection, pyiceberg_properties, s3_endpoint

_TRINO_USERS = ("dbt", "gates", "maintenance")
_S3_USERS = ("airflow", "engine", "spark")


def platform_of(site: Site) -> Platform:
    """Describe the platform as a task may see it: service accounts only, no person's password, no superuser's."""
    return Platform(
        checkout=str(site.checkout),
        work=str(site.state / "work"),
        pythons={name: str(path) for name, path in site.pythons.items()},
        spark_java_home=str(site.artifacts["jdk-21"]),
        spark_properties=str(properties_file(site)),
        spark_classes=str(shared_classes(site)),
        trino=TrinoAddress(
            host=site.at("trino"),
            port=site.ports["trino"],
            ca=str(site.tls / "ca.pem"),
            catalog=site.settings.catalog.name,
            passwords={user: site.secrets[f"trino.{user}"] for user in _TRINO_USERS},
        ),
        s3=S3Address(
            endpoint=s3_endpoint(site),
            region=REGION,
            keys={user: site.secrets[f"s3.{user}"] for user in _S3_USERS},
        ),
        lineage=LineageAddress(
            url=f"http://{site.at('lineage')}:{site.ports['lineage']}",
            namespace="lakehold",
            token=site.secrets["lineage.token"],
        ),
        catalog=pyiceberg_properties(site),
        publisher=publisher_connection(site),
    )


def connections(site: Site) -> str:
    """Write Airflow connections, so that plain provider operators work in a user's own DAG."""
    trino = {
        "conn_type": "trino",
        "host": site.at("trino"),
        "port": site.ports["trino"],
        "login": "dbt",
        "password": site.secrets["trino.dbt"],
        "schema": "gold",
        "extra": json.dumps(
            {"protocol": "https", "catalog": site.settings.catalog.name, "verify": str(site.tls / "ca.pem")}
        ),
    }
    logs = {LOGS_CONNECTION: _logs(site)} if site.pods else {}
    return json.dumps({"trino_default": trino, **logs}, indent=2) + "\n"


def _logs(site: Site) -> dict[str, object]:
    extra = {
        "endpoint_url": s3_endpoint(site),
        "region_name": REGION,
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    return {
        "conn_type": "aws",
        "login": "airflow",
        "password": site.secrets["s3.airflow"],
        "extra": json.dumps(extra),
    }
