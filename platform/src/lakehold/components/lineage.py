"""The lineage service: takes OpenLineage events from every engine, durably, and answers questions about them."""

from __future__ import annotations

from pathlib import Path

from lakehold.components import airflow_config, openmetadata
from lakehold.components.model import Component, Http, Process, Site, Task
from lakehold.components.trino import url
from lakehold.components.trino_rules import OBSERVER, SERVICES
from lakehold.lineage import options
from lakehold.lineage.graph import policy
from lakehold.lineage.sinks import settings as sinks
from lakehold.tables.bootstrap import DATABASE
from lakehold.tables.catalog import access_key, s3_endpoint

OPENLINEAGE = "openlineage.token"
OPENMETADATA = "openmetadata.token"
"""Secrets that are given from outside: the tokens of those who are told of lineage."""


def _environment(site: Site) -> dict[str, str]:
    return {
        options.DATABASE: _login(site, "lineage"),
        options.HOST: site.host,
        options.PORT: str(site.ports["lineage"]),
        options.CATALOG: site.settings.catalog.name,
        options.CYTOSCAPE: str(site.artifacts["cytoscape"]),
        options.TRUSTED: ",".join((*SERVICES, site.settings.lineage.trusted_users or "")),
        options.TOKEN: site.secrets["lineage.token"],
        policy.EVENTS_DAYS: str(site.settings.lineage.events_days),
        policy.HISTORY_DAYS: str(site.settings.lineage.history_days),
        policy.CLOSE_HOURS: str(site.settings.lineage.close_hours),
        "PGPASSWORD": site.secrets["postgres.lineage"],
        "PATH": "/usr/bin:/bin",
        "TZ": "UTC",
        **_catalog(site),
        **_sinks(site),
    }


def _login(site: Site, database: str) -> str:
    where = {"host": site.at("postgres"), "port": site.ports["postgres"], "dbname": database, "user": "lineage"}
    return " ".join(f"{key}={value}" for key, value in {**where, **site.postgres_tls}.items())


def _sinks(site: Site) -> dict[str, str]:
    """Who is told: nobody by default."""
    found: dict[str, str] = {}
    # Looked at in any case: which sections a component is configured from does not depend on what is in them.
    opened = site.settings.airflow.url
    if (endpoint := site.settings.openlineage).url:
        found |= {
            sinks.OPENLINEAGE_URL: endpoint.url,
            sinks.OPENLINEAGE_TOKEN: site.secrets.get(OPENLINEAGE, ""),
            **_authority(site, sinks.OPENLINEAGE_CA, endpoint.ca_file),
        }
    # In a cluster it is known by its Service, where it is installed with the platform.
    ours = "openmetadata" in site.hosts
    if (catalog := site.settings.openmetadata).url or catalog.home or ours:
        found |= {
            sinks.OPENMETADATA_URL: catalog.url or openmetadata.url(site),
            sinks.OPENMETADATA_TOKEN: site.secrets[OPENMETADATA] if catalog.url else openmetadata.bot_token(site),
            **_authority(site, sinks.OPENMETADATA_CA, catalog.ca_file),
            sinks.OPENMETADATA_SERVICE: catalog.service,
            sinks.AIRFLOW_URL: opened or airflow_config.url(site),
        }
    return found


def _authority(site: Site, variable: str, file: Path | None) -> dict[str, str]:
    return {} if file is None else {variable: str(site.checkout / file)}


def _catalog(site: Site) -> dict[str, str]:
    """Where the JDBC catalog can be read; an outside REST catalog keeps its pointers to itself."""
    if site.settings.catalog.type != "jdbc":
        return {}
    return {
        options.CATALOG_DATABASE: _login(site, DATABASE),
        options.S3_ENDPOINT: s3_endpoint(site),
        options.S3_REGION: site.settings.s3.region,
        options.S3_ACCESS: access_key(site, "lineage"),
        options.S3_SECRET: site.secrets["s3.lineage"],
        options.TRINO: url(site),
        options.TRINO_CA: str(site.tls / "ca.pem"),
        options.TRINO_USER: OBSERVER,
        options.TRINO_PASSWORD: site.secrets[f"trino.{OBSERVER}"],
    }


def _module(site: Site, name: str, *arguments: str) -> list[str]:
    return [str(site.pythons["lakehold"]), "-m", f"lakehold.lineage.{name}", *arguments]


LINEAGE = Component(
    name="lineage",
    summary="receives OpenLineage events and keeps the graph of runs, jobs and datasets",
    artifacts=("cytoscape",),
    pythons=("lakehold",),
    ports={"": 18090},
    needs=("postgres",),
    secrets=("lineage.token", "postgres.lineage", "s3.lineage", f"trino.{OBSERVER}"),
    before=(
        Task(
            name="lineage-migrate",
            command=lambda site: _module(site, "migrate"),
            environment=_environment,
            shared=True,
            done=lambda site: _module(site, "migrate", "--check"),
            fits=lambda site: _module(site, "migrate", "--fits"),
        ),
    ),
    processes=(
        Process(
            name="lineage",
            command=lambda site: _module(site, "server"),
            environment=_environment,
            health=lambda site: Http(url=f"http://{site.itself}:{site.ports['lineage']}/health"),
            memory_mb=250,
            start_seconds=30,
        ),
    ),
)
"""The lineage service, as one declaration."""
