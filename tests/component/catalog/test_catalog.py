"""A table shared by three engines over the JDBC catalog, and by pyiceberg alone over Iceberg's REST server."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from lakehold.components import spark
from lakehold.components.model import Site
from lakehold.components.registry import component
from lakehold.release.store import Store
from lakehold.tables.catalog import REGION, pyiceberg_properties, s3_endpoint
from trino.auth import BasicAuthentication
from trino.dbapi import connect

pytestmark = pytest.mark.component

HERE = Path(__file__).parent
REST = "iceberg-rest"
"""The pin of Iceberg's own REST server, a fixture of this test and never part of a platform."""


def sql(lab: Any, statement: str, user: str = "admin") -> list[list[Any]]:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(lab.site.tls / "ca.pem")
    login = {"user": user, "auth": BasicAuthentication(user, lab.site.secrets[f"trino.{user}"]), "http_scheme": "https"}
    with connect(host="127.0.0.1", port=lab.site.ports["trino"], http_session=session, **login) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]


def by_pyiceberg(site: Site, script: str = "pyiceberg_part.py") -> dict[str, Any]:
    result = subprocess.run(
        [str(site.pythons["engine"]), str(HERE / script)],
        input=json.dumps(pyiceberg_properties(site)),
        env={"PATH": "/usr/bin:/bin", "HOME": str(site.state)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(json.loads(result.stdout.splitlines()[-1]))


def by_spark(lab: Any, folder: Path) -> dict[str, Any]:
    lab.configure(component("spark"))
    site = lab.site
    properties, answer = folder / "spark.properties", folder / "spark.json"
    properties.write_text(spark.render(spark.properties(site)), encoding="utf-8")
    (site.state / "work" / "spark").mkdir(parents=True, exist_ok=True)
    submit = site.pythons["engine"].parent / "spark-submit"
    java = site.artifacts["jdk-21"]
    result = subprocess.run(
        [str(submit), "--properties-file", str(properties), str(HERE / "spark_part.py"), str(answer)],
        env={
            "PATH": f"{submit.parent}:/usr/bin:/bin",
            "HOME": str(site.state),
            "JAVA_HOME": str(java),
            "PYSPARK_PYTHON": str(site.pythons["engine"]),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(json.loads(answer.read_text(encoding="utf-8")))


@pytest.fixture
def rest(lab: Any, free_port: int) -> Iterator[Site]:
    """The same site with its catalog behind Iceberg's REST server."""
    store = Store.default()
    store.ensure([REST], [])
    for needed in ("postgres", "objectstore"):
        lab.start(needed)
    site = lab.site
    with (site.state / "logs" / "iceberg-rest.log").open("ab") as log:
        environment = rest_environment(site, free_port)
        server = subprocess.Popen(rest_command(site, store), env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{free_port}/v1/config", server)
        catalog = site.settings.catalog.model_copy(update={"type": "rest", "uri": f"http://127.0.0.1:{free_port}"})
        yield dataclasses.replace(site, settings=site.settings.model_copy(update={"catalog": catalog}))
    finally:
        server.terminate()
        server.wait(10)


def rest_command(site: Site, store: Store) -> list[str]:
    # It wants a Hadoop configuration (and then uses none) and a retry library; Spark and Trino have them.
    environment = site.pythons["engine"].parents[1]
    jars = [
        f"{store.artifact(REST)}/*",
        *(str(store.artifact(pin)) for pin in ("iceberg-aws-bundle", "postgresql-jdbc")),
    ]
    jars += [str(jar) for jar in environment.glob("lib/python3*/site-packages/pyspark/jars/hadoop-client-*.jar")]
    jars += [str(jar) for jar in site.artifacts["trino"].glob("lib/dev.failsafe_*.jar")]
    java = str(site.artifacts["jdk-21"] / "bin" / "java")
    return [java, "-cp", ":".join(jars), "org.apache.iceberg.rest.RESTCatalogServer"]


def rest_environment(site: Site, port: int) -> dict[str, str]:
    """Where the REST server keeps its pointers: rows of another catalog name in our PostgreSQL."""
    properties = {
        "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
        "CATALOG_URI": f"jdbc:postgresql://127.0.0.1:{site.ports['postgres']}/catalog",
        "CATALOG_JDBC_USER": "engine",
        "CATALOG_JDBC_PASSWORD": site.secrets["postgres.engine"],
        "CATALOG_JDBC_SCHEMA__VERSION": "V1",
        "CATALOG_INIT__CATALOG__TABLES": "false",
        "CATALOG_WAREHOUSE": "s3://lakehouse/rest/",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": s3_endpoint(site),
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        "CATALOG_S3_ACCESS__KEY__ID": "engine",
        "CATALOG_S3_SECRET__ACCESS__KEY": site.secrets["s3.engine"],
        "CATALOG_CLIENT_REGION": REGION,
        "CATALOG_REST_PORT": str(port),
    }
    return {"PATH": "/usr/bin:/bin", "HOME": str(site.state), **properties}


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the REST server ended"
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the REST server did not answer in 60 s")


def test_trino_pyiceberg_and_spark_share_a_table(lab: Any, tmp_path: Path) -> None:
    lab.start("trino")
    sql(lab, "CREATE TABLE lakehouse.silver.shared (writer varchar, amount integer)")
    try:
        sql(lab, "INSERT INTO lakehouse.silver.shared VALUES ('trino', 1)")
        sql(lab, "CREATE VIEW lakehouse.gold.shared_view AS SELECT sum(amount) total FROM lakehouse.silver.shared")
        seen = by_pyiceberg(lab.site)
        assert seen["before"] == ["trino"]
        assert {"bronze", "silver", "gold", "ops"} <= set(seen["namespaces"])
        assert by_spark(lab, tmp_path) == {"before": ["pyiceberg", "trino"]}
        rows = sql(lab, "SELECT * FROM lakehouse.silver.shared ORDER BY amount")
        assert rows == [["trino", 1], ["pyiceberg", 2], ["spark", 3]]
        assert sql(lab, "SELECT * FROM lakehouse.gold.shared_view") == [[6]]
        places = {row[0] for row in sql(lab, 'SELECT file_path FROM lakehouse.silver."shared$files"')}
        assert len(places) == 3
        assert {place.split("/shared-")[0] for place in places} == {"s3://lakehouse/silver"}
    finally:
        sql(lab, "DROP VIEW IF EXISTS lakehouse.gold.shared_view")
        sql(lab, "DROP TABLE lakehouse.silver.shared")


def test_pyiceberg_writes_and_reads_through_a_rest_catalog(rest: Site) -> None:
    answer = by_pyiceberg(rest, "pyiceberg_rest_part.py")
    assert answer["rows"] == [{"writer": "pyiceberg", "amount": 2}]
    assert answer["location"].startswith("s3://lakehouse/rest/")
