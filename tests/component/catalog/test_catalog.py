"""One table, three engines, two kinds of catalog: what one writes the others read, set up by tables.catalog alone.

The outside catalog is Iceberg's own REST server behind a fake gateway that wants every engine to log in.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from engine_loop import EngineLoop
from fake_gateway import TOKENS, Client, FakeGateway
from free_ports import free_ports
from lakehold.components import spark, trino
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.components.registry import component
from lakehold.tables.catalog import (
    CREDENTIAL,
    TOKEN,
    pyiceberg_properties,
    spark_catalog_conf,
    trino_catalog_properties,
)
from lakehold.tables.shadow import Audit
from rest_catalog import rest_catalog
from trino.auth import BasicAuthentication
from trino.dbapi import connect
from trino.exceptions import TrinoQueryError

pytestmark = pytest.mark.component

HERE = Path(__file__).parent
LAYERS = {"bronze", "silver", "gold", "ops"}
ROBOT = Client(name="robot", secret="s3cret", scope="PRINCIPAL_ROLE:ALL")
BEARER = "a-token-from-elsewhere"


def sql(lab: Any, statement: str, user: str = "admin") -> list[list[Any]]:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(lab.site.tls / "ca.pem")
    login = {"user": user, "auth": BasicAuthentication(user, lab.site.secrets[f"trino.{user}"]), "http_scheme": "https"}
    with connect(host="127.0.0.1", port=lab.site.ports["trino"], http_session=session, **login) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]


def by_pyiceberg(site: Site, table: str = "silver.shared") -> dict[str, Any]:
    result = pyiceberg(site, table)
    assert result.returncode == 0, result.stderr[-3000:]
    return dict(json.loads(result.stdout.splitlines()[-1]))


def pyiceberg(site: Site, table: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(site.pythons["engine"]), str(HERE / "pyiceberg_part.py")],
        input=json.dumps({"properties": pyiceberg_properties(site), "table": table}),
        env={"PATH": "/usr/bin:/bin", "HOME": str(site.state)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def by_spark(lab: Any, folder: Path, *sites: Site) -> dict[str, Any]:
    """What Spark saw in each catalog, by its name."""
    lab.configure(component("spark"))
    site = lab.site
    properties, answer = folder / "spark.properties", folder / "spark.json"
    wanted = spark.properties(site)
    for other in sites:
        wanted |= spark_catalog_conf(other)
    properties.write_text(spark.render(wanted), encoding="utf-8")
    (site.state / "work" / "spark").mkdir(parents=True, exist_ok=True)
    submit = site.pythons["engine"].parent / "spark-submit"
    names = [other.settings.catalog.name for other in sites]
    result = subprocess.run(
        [str(submit), "--properties-file", str(properties), str(HERE / "spark_part.py"), str(answer), *names],
        env={
            "PATH": f"{submit.parent}:/usr/bin:/bin",
            "HOME": str(site.state),
            "JAVA_HOME": str(site.artifacts["jdk-21"]),
            "PYSPARK_PYTHON": str(site.pythons["engine"]),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert ROBOT.secret not in result.stderr + result.stdout
    return dict(json.loads(answer.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def gateway(lab: Any) -> Iterator[FakeGateway]:
    for needed in ("postgres", "objectstore"):
        lab.start(needed)
    port = free_ports(1)[0]
    with rest_catalog(lab.site, port) as address, FakeGateway(address, ROBOT, BEARER) as made:
        yield made


def outside(lab: Any, gateway: FakeGateway, **login: Any) -> Site:
    """The lab's site with the catalog behind the gateway, under a name of its own."""
    catalog = lab.site.settings.catalog.model_copy(
        update={"type": "rest", "name": "outside", "uri": gateway.address, **login}
    )
    secrets = {**lab.site.secrets, CREDENTIAL: f"{ROBOT.name}:{ROBOT.secret}", TOKEN: BEARER}
    settings = lab.site.settings.model_copy(update={"catalog": catalog})
    return dataclasses.replace(lab.site, settings=settings, secrets=secrets)


@pytest.fixture(scope="module")
def rest(lab: Any, gateway: FakeGateway) -> Site:
    """The outside catalog, with the robot's credential."""
    login = {"credential_file": Path("robot"), "oauth2_uri": gateway.address + TOKENS, "oauth2_scope": ROBOT.scope}
    return outside(lab, gateway, **login)


@pytest.fixture(scope="module")
def engines(lab: Any, rest: Site) -> Any:
    """A Trino with both catalogs."""
    folder = lab.site.conf("trino") / "etc" / "catalog"
    folder.mkdir(parents=True, mode=0o700)
    text = trino.properties(trino_catalog_properties(rest))
    (folder / "outside.properties").write_text(text, encoding="utf-8")
    lab.start("trino")
    for layer in sorted(LAYERS):
        sql(lab, f"CREATE SCHEMA outside.{layer} WITH (location = 's3://lakehouse/outside/{layer}')")
    return lab


def test_three_engines_share_a_table_in_either_kind_of_catalog(engines: Any, rest: Site, tmp_path: Path) -> None:
    lab = engines
    sites = {"lakehouse": lab.site, "outside": rest}
    for catalog, site in sites.items():
        sql(lab, f"CREATE TABLE {catalog}.silver.shared (writer varchar, amount integer)")
        sql(lab, f"INSERT INTO {catalog}.silver.shared VALUES ('trino', 1)")
        sql(lab, f"CREATE VIEW {catalog}.gold.shared_view AS SELECT sum(amount) total FROM {catalog}.silver.shared")
        seen = by_pyiceberg(site)
        assert seen["before"] == ["trino"]
        assert set(seen["namespaces"]) >= LAYERS
    assert by_spark(lab, tmp_path, *sites.values()) == {name: ["pyiceberg", "trino"] for name in sites}
    for catalog, place in (("lakehouse", "s3://lakehouse/silver"), ("outside", "s3://lakehouse/outside/silver")):
        rows = sql(lab, f"SELECT * FROM {catalog}.silver.shared ORDER BY amount")
        assert rows == [["trino", 1], ["pyiceberg", 2], ["spark", 3]]
        assert sql(lab, f"SELECT * FROM {catalog}.gold.shared_view") == [[6]]
        files = {row[0] for row in sql(lab, f'SELECT file_path FROM {catalog}.silver."shared$files"')}
        assert len(files) == 3
        assert {file.split("/shared-")[0] for file in files} == {place}


@pytest.fixture(scope="module")
def verb(rest: Site) -> Iterator[Callable[..., str]]:
    """Run a verb on the outside catalog's tables; what it printed."""
    described = rest.state / "work" / "outside.json"
    described.write_text(platform_of(rest).dumps(), encoding="utf-8")
    described.chmod(0o600)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(rest.state),
        "PYTHONPATH": str(HERE.parents[2] / "platform" / "src"),
        "LAKEHOLD_PLATFORM": str(described),
    }
    with EngineLoop(rest.pythons["engine"], rest.state, environment) as loop:

        def verb(*arguments: str, code: int = 0) -> str:
            result = loop.run("lakehold.tables.run", *arguments)
            assert result.returncode == code, result.stdout + result.stderr[-3000:]
            return result.stdout + result.stderr

        yield verb


def test_trino_writes_what_is_published_and_cannot_harm_it_through_a_clone(
    engines: Any, verb: Callable[..., str]
) -> None:
    audit, readable = Audit("daily/one", "bronze"), "SELECT n FROM outside.bronze.kept ORDER BY n"
    shadow, of = f"outside.{audit.schema('bronze')}", ["--run", audit.run, "--group", audit.group]
    for table in ("kept", "replaced"):
        sql(engines, f"CREATE TABLE outside.bronze.{table} AS SELECT 1 n")
    verb("clone", *of, "--schema", "bronze")
    sql(engines, f"INSERT INTO {shadow}.kept VALUES 2")
    sql(engines, f"CREATE OR REPLACE TABLE {shadow}.replaced WITH (partitioning = ARRAY['d']) AS SELECT 5 n, 6 d")
    sql(engines, f"CREATE TABLE {shadow}.new AS SELECT 7 n")
    sql(engines, f"CREATE VIEW {shadow}.seen AS SELECT sum(n) n FROM {shadow}.kept")
    assert sql(engines, readable) == [[1]]
    verb("publish", *of)
    assert sql(engines, readable) == [[1], [2]]
    assert sql(engines, "SELECT * FROM outside.bronze.replaced, outside.bronze.new, outside.bronze.seen") == [
        [5, 6, 7, 3]
    ]
    tagged = sql(engines, f"SELECT r.n FROM outside.bronze.replaced FOR VERSION AS OF '{audit.tag}' r")
    assert tagged == [[5]]
    assert sql(engines, 'SELECT count(*) FROM outside.bronze."replaced$snapshots"') == [[2]], "its history is kept"
    verb("clone", *of, "--schema", "bronze")
    for statement, reason in (
        (f"ALTER TABLE {shadow}.kept EXECUTE remove_orphan_files", "shorter than the minimum retention"),
        (f"ALTER TABLE {shadow}.kept EXECUTE expire_snapshots", "GC is disabled"),
    ):
        with pytest.raises(TrinoQueryError, match=reason):
            sql(engines, statement)
    sql(engines, f"DROP TABLE {shadow}.kept")
    sql(engines, f"ALTER TABLE {shadow}.replaced RENAME TO {audit.schema('bronze')}.renamed")
    assert sql(engines, readable) == [[1], [2]]
    assert "is gone" in verb("publish", *of, code=8)
    verb("discard", "--run", audit.run)
    assert sql(engines, readable) == [[1], [2]]
    verb("rollback", audit.run)
    assert sql(engines, readable) == [[1]]
    assert sql(engines, "SELECT * FROM outside.bronze.replaced") == [[1]]
    assert {row[0] for row in sql(engines, "SHOW TABLES FROM outside.bronze")} == {"kept", "replaced"}


def test_without_a_valid_login_the_catalog_is_shut(engines: Any, gateway: FakeGateway, rest: Site) -> None:
    bearer = outside(engines, gateway, token_file=Path("token"))
    assert [len(by_pyiceberg(site, "silver.guarded")["before"]) for site in (bearer, rest)] == [0, 1]
    credential = {"credential_file": Path("robot"), "oauth2_uri": gateway.address + TOKENS}
    for site, reason in (
        (outside(engines, gateway), "no valid token"),
        (dataclasses.replace(bearer, secrets={**bearer.secrets, TOKEN: "guessed"}), "no valid token"),
        (dataclasses.replace(rest, secrets={**rest.secrets, CREDENTIAL: "robot:guessed"}), "invalid_client"),
        (outside(engines, gateway, **credential), "invalid_scope"),
    ):
        refused = pyiceberg(site, "silver.guarded")
        assert refused.returncode != 0
        assert reason in refused.stderr
    assert len(by_pyiceberg(rest, "silver.guarded")["before"]) == 2
