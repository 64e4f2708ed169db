"""What Airflow's tasks are told about the platform: ``platform.json`` for ours, connections for everyone else's."""

from __future__ import annotations

import json

from lakehold.components.airflow_config import GIT_CONNECTION, LOGS_CONNECTION
from lakehold.components.model import Site
from lakehold.components.spark import properties_file, shared_classes
from lakehold.config.platform import LineageAddress, Platform, S3Address, TrinoAddress
from lakehold.tables.catalog import access_key, publisher_connection, pyiceberg_properties, s3_endpoint

GIT_TOKEN = "git.token"  # noqa: S105 - a name
"""The secret that opens the repository DAGs come from, where it is not open to everybody; never generated."""
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
            region=site.settings.s3.region,
            keys={user: site.secrets[f"s3.{user}"] for user in _S3_USERS},
            access_keys=site.settings.s3.access_keys,
            landing=site.settings.s3.landing_bucket,
            quarantine=site.settings.s3.quarantine_bucket,
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
    return json.dumps({"trino_default": trino, **logs, **_git(site)}, indent=2) + "\n"


def _logs(site: Site) -> dict[str, object]:
    extra = {
        "endpoint_url": s3_endpoint(site),
        "region_name": site.settings.s3.region,
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    return {
        "conn_type": "aws",
        "login": access_key(site, "airflow"),
        "password": site.secrets["s3.airflow"],
        "extra": json.dumps(extra),
    }


def _git(site: Site) -> dict[str, object]:
    if not (site.pods and site.pods.git):
        return {}
    token = site.secrets.get(GIT_TOKEN, "")
    # Most servers take any name with a token, but for an empty one.
    return {GIT_CONNECTION: {"conn_type": "git", "host": site.pods.git.url, "login": "lakehold", "password": token}}
