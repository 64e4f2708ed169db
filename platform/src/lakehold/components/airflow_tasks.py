"""What Airflow's tasks are told about the platform: ``platform.json`` for ours, connections for everyone else's."""

from __future__ import annotations

import json
from urllib.parse import quote

from lakehold.components.model import Site
from lakehold.config.platform import LineageAddress, Platform, S3Address, TrinoAddress

_REGION = "us-east-1"
_TRINO_USERS = ("dbt", "gates")
_S3_USERS = ("airflow", "engine", "spark")


def platform_of(site: Site) -> Platform:
    """Describe the platform as a task may see it: service accounts only, no person's password, no superuser's."""
    return Platform(
        checkout=str(site.checkout),
        work=str(site.state / "work"),
        pythons={name: str(path) for name, path in site.pythons.items()},
        spark_java_home=str(site.artifacts["jdk-21"]),
        spark_properties=str(site.conf("spark") / "spark-defaults.conf"),
        trino=TrinoAddress(
            host=site.host,
            port=site.ports["trino"],
            ca=str(site.tls / "ca.pem"),
            catalog=site.settings.catalog.name,
            passwords={user: site.secrets[f"trino.{user}"] for user in _TRINO_USERS},
        ),
        s3=S3Address(
            endpoint=f"http://{site.host}:{site.ports['objectstore']}",
            region=_REGION,
            keys={user: site.secrets[f"s3.{user}"] for user in _S3_USERS},
        ),
        lineage=LineageAddress(
            url=f"http://{site.host}:{site.ports['lineage']}", namespace="lakehold", token=site.secrets["lineage.token"]
        ),
        catalog=catalog_properties(site),
    )


def catalog_properties(site: Site) -> dict[str, str]:
    """Give pyiceberg the catalog as the role and S3 user ``engine``."""
    catalog = site.settings.catalog
    s3 = {
        "s3.endpoint": f"http://{site.host}:{site.ports['objectstore']}",
        "s3.region": _REGION,
        "s3.access-key-id": "engine",
        "s3.secret-access-key": site.secrets["s3.engine"],
        "s3.force-virtual-addressing": "false",
    }
    common = {"name": catalog.name, "warehouse": catalog.warehouse, **s3}
    if catalog.type == "rest":
        return {**common, "type": "rest", "uri": catalog.uri or ""}
    password = quote(site.secrets["postgres.engine"], safe="")
    return {
        **common,
        "type": "sql",
        "uri": f"postgresql+psycopg://engine:{password}@{site.host}:{site.ports['postgres']}/catalog",
        "init_catalog_tables": "false",
        "pool_pre_ping": "true",
        # pyiceberg's 4 gave up in a test with many writers; nothing was lost, but a person had to rerun.
        "commit.retry.num-retries": "20",
    }


def connections(site: Site) -> str:
    """Airflow connections, so that plain provider operators work in a user's own DAG."""
    trino = {
        "conn_type": "trino",
        "host": site.host,
        "port": site.ports["trino"],
        "login": "dbt",
        "password": site.secrets["trino.dbt"],
        "schema": "gold",
        "extra": json.dumps(
            {"protocol": "https", "catalog": site.settings.catalog.name, "verify": str(site.tls / "ca.pem")}
        ),
    }
    return json.dumps({"trino_default": trino}, indent=2) + "\n"
