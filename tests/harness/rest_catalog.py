"""Iceberg's own REST server, a fixture of the tests and never part of a platform, over the PostgreSQL of a lab."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

import httpx
from lakehold.components.model import Site
from lakehold.config.settings import BUNDLED_REGION
from lakehold.release.store import Store
from lakehold.tables.catalog import s3_endpoint

PIN = "iceberg-rest"
BACKEND = "rest_backend"
"""The name of the server's own catalog, in the rows of PostgreSQL."""
WAREHOUSE = "s3://lakehouse/rest/"
_START_SECONDS = 60


@contextlib.contextmanager
def rest_catalog(site: Site, port: int) -> Iterator[str]:
    """The address of a server that keeps its tables in the site's PostgreSQL, under a catalog name of its own.

    PostgreSQL and the object store have to run.
    """
    store = Store.default()
    store.ensure([PIN], [])
    address = f"http://127.0.0.1:{port}"
    with (site.state / "logs" / "iceberg-rest.log").open("ab") as log:
        server = subprocess.Popen(_command(site, store), env=_environment(site, port), stdout=log, stderr=log)
    try:
        _wait(f"{address}/v1/config", server)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def _command(site: Site, store: Store) -> list[str]:
    # It wants a Hadoop configuration (and then uses none) and a retry library; Spark and Trino have them.
    environment = site.pythons["engine"].parents[1]
    jars = [
        f"{store.artifact(PIN)}/*",
        *(str(store.artifact(pin)) for pin in ("iceberg-aws-bundle", "postgresql-jdbc")),
    ]
    jars += [str(jar) for jar in environment.glob("lib/python3*/site-packages/pyspark/jars/hadoop-client-*.jar")]
    jars += [str(jar) for jar in store.artifact("trino").glob("lib/dev.failsafe_*.jar")]
    java = str(store.artifact("jdk-21") / "bin" / "java")
    quick = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m"]
    return [java, *quick, "-cp", ":".join(jars), "org.apache.iceberg.rest.RESTCatalogServer"]


def _environment(site: Site, port: int) -> dict[str, str]:
    properties = {
        "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
        "CATALOG_URI": f"jdbc:postgresql://127.0.0.1:{site.ports['postgres']}/catalog",
        "CATALOG_JDBC_USER": "engine",
        "CATALOG_JDBC_PASSWORD": site.secrets["postgres.engine"],
        "CATALOG_JDBC_SCHEMA__VERSION": "V1",
        "CATALOG_INIT__CATALOG__TABLES": "false",
        "CATALOG_WAREHOUSE": WAREHOUSE,
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": s3_endpoint(site),
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        "CATALOG_S3_ACCESS__KEY__ID": "engine",
        "CATALOG_S3_SECRET__ACCESS__KEY": site.secrets["s3.engine"],
        "CATALOG_CLIENT_REGION": BUNDLED_REGION,
        "CATALOG_REST_PORT": str(port),
    }
    return {"PATH": "/usr/bin:/bin", "HOME": str(site.state), **properties}


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise AssertionError("the REST server ended")
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the REST server did not answer in {_START_SECONDS} s")
