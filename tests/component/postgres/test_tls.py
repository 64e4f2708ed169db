"""A PostgreSQL that speaks TLS only: every client finds it by the authority it was told of, and by no other."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from lakehold.cluster.layout import POSTGRES_CA
from lakehold.components import certificates, spark, trino
from lakehold.components.airflow_config import config, render
from lakehold.components.lineage import LINEAGE
from lakehold.components.postgres import POSTGRES
from lakehold.components.registry import component
from lakehold.tables.catalog import (
    publisher_connection,
    pyiceberg_properties,
    spark_catalog_conf,
    trino_catalog_properties,
)
from psycopg import sql
from trino.auth import BasicAuthentication
from trino.dbapi import connect
from trino.exceptions import TrinoQueryError
from waiting import wait_for

pytestmark = pytest.mark.component

HERE = Path(__file__).parent
REFUSED = "certificate verify failed"
STRANGER = "stranger"


def certified(folder: Path, authority: Path) -> tuple[Path, Path]:
    """A server's certificate and key in ``folder``, and its authority's certificate."""
    now, key, own = dt.datetime.now(dt.UTC), certificates.new_key(), certificates.new_key()
    issuer = certificates.authority(key, now)
    authority.write_text(certificates.pem(issuer), encoding="ascii")
    paths = folder / "server.crt", folder / "server.key"
    texts = certificates.pem(certificates.server(own, issuer, key, [], now)), certificates.pem_key(own)
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="ascii")
        path.chmod(0o600)
    return paths


def told(lab: Any, authority: Path) -> Any:
    """The lab as pods are told of it that have this authority."""
    other = copy.copy(lab)
    tls = {"sslmode": "verify-full", "sslrootcert": str(authority)}
    other.site = dataclasses.replace(lab.site, postgres_tls=tls)
    return other


@pytest.fixture(scope="module")
def server(lab: Any) -> Any:
    """The lab's PostgreSQL, which from now on takes nobody without TLS."""
    lab.start("postgres")
    site = lab.site
    folder = site.data("postgres")
    paths = certified(folder, site.tls / POSTGRES_CA)
    owner = folder.owner()
    for path in paths:
        shutil.chown(path, owner)
    rules = site.conf("postgres") / "pg_hba.conf"
    rules.write_text(rules.read_text(encoding="utf-8").replace("host all", "hostssl all"), encoding="utf-8")
    login = {"host": "127.0.0.1", "port": site.ports["postgres"], "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**login, password=site.secrets["postgres.superuser"], autocommit=True) as admin:
        for name, value in (("ssl_cert_file", paths[0]), ("ssl_key_file", paths[1]), ("ssl", "on")):
            admin.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(str(value))))
        admin.execute("SELECT pg_reload_conf()")
        wait_for(lambda: admin.execute("SHOW ssl").fetchone() == ("on",), 30, "the server has no TLS")
    return lab


@pytest.fixture(scope="module")
def right(server: Any) -> Any:
    return told(server, server.site.tls / POSTGRES_CA)


@pytest.fixture(scope="module")
def wrong(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Who was told of an authority that never signed anything of this server's."""
    elsewhere = server.site.tls / "stranger.pem"
    certified(tmp_path_factory.mktemp("stranger"), elsewhere)
    return told(server, elsewhere)


@pytest.mark.parametrize("task", [POSTGRES.after[0], LINEAGE.before[0]], ids=lambda task: task.name)
def test_jobs(right: Any, wrong: Any, task: Any) -> None:
    right.run(task)
    with pytest.raises(AssertionError, match=REFUSED):
        wrong.run(task)


def by_airflow(lab: Any) -> dict[str, Any]:
    database = config(lab.site)["database"]
    asked = {
        "sync": database["sql_alchemy_conn"],
        "async": database["sql_alchemy_conn_async"],
        "file": render({"database": database}),
    }
    result = subprocess.run(
        [str(lab.site.pythons["airflow"]), str(HERE / "airflow_part.py")],
        input=json.dumps(asked),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE.parents[2] / "platform" / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return dict(json.loads(result.stdout))


def test_airflow_by_each_of_its_drivers(right: Any, wrong: Any) -> None:
    assert by_airflow(right) == {"psycopg2": True, "asyncpg": True, "psycopg": True}
    refused = by_airflow(wrong)
    assert set(refused) == {"psycopg2", "asyncpg", "psycopg"}
    for answer in refused.values():
        assert "certificate" in str(answer)
        assert "verif" in str(answer).lower()


def test_the_publisher(right: Any, wrong: Any) -> None:
    with psycopg.connect(publisher_connection(right.site)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        psycopg.connect(publisher_connection(wrong.site))


def by_pyiceberg(lab: Any) -> subprocess.CompletedProcess[str]:
    program = "import json, sys; from pyiceberg.catalog import load_catalog as load;"
    program += "print(load(**json.load(sys.stdin)).list_namespaces())"
    return subprocess.run(
        [str(lab.site.pythons["engine"]), "-c", program],
        input=json.dumps(pyiceberg_properties(lab.site)),
        env={"PATH": "/usr/bin:/bin", "HOME": str(lab.site.state)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_pyiceberg(right: Any, wrong: Any) -> None:
    assert by_pyiceberg(right).returncode == 0
    assert "certificate verify failed" in by_pyiceberg(wrong).stderr


def named(lab: Any) -> Any:
    """The same catalog under another name, for engines that have several."""
    catalog = lab.site.settings.catalog.model_copy(update={"name": STRANGER})
    settings = lab.site.settings.model_copy(update={"catalog": catalog})
    return dataclasses.replace(lab.site, settings=settings)


def test_spark(right: Any, wrong: Any, tmp_path: Path) -> None:
    right.configure(component("spark"))
    site, answer, properties = right.site, tmp_path / "answer.json", tmp_path / "spark.properties"
    properties.write_text(
        spark.render({**spark.properties(site), **spark_catalog_conf(named(wrong))}), encoding="utf-8"
    )
    (site.state / "work" / "spark").mkdir(parents=True, exist_ok=True)
    submit = site.pythons["engine"].parent / "spark-submit"
    command = [submit, "--properties-file", properties, HERE / "spark_part.py", answer, "lakehouse", STRANGER]
    subprocess.run(
        [str(word) for word in command],
        env={
            "PATH": f"{submit.parent}:/usr/bin:/bin",
            "HOME": str(site.state),
            "JAVA_HOME": str(site.artifacts["jdk-21"]),
            "PYSPARK_PYTHON": str(site.pythons["engine"]),
        },
        cwd=tmp_path,
        timeout=600,
        check=True,
    )
    found = json.loads(answer.read_text(encoding="utf-8"))
    assert isinstance(found["lakehouse"], list), found
    assert "PKIX path" in found[STRANGER]


def test_trino(right: Any, wrong: Any) -> None:
    folder = right.site.conf("trino") / "etc" / "catalog"
    folder.mkdir(parents=True, mode=0o700)
    text = trino.properties(trino_catalog_properties(named(wrong)))
    (folder / f"{STRANGER}.properties").write_text(text, encoding="utf-8")
    right.start("trino")
    session = requests.Session()
    session.trust_env = False
    session.verify = str(right.site.tls / "ca.pem")
    login = {"user": "admin", "auth": BasicAuthentication("admin", right.site.secrets["trino.admin"])}
    where = {"host": "127.0.0.1", "port": right.site.ports["trino"], "http_scheme": "https"}
    with connect(**where, **login, http_session=session) as connection:
        seen = connection.cursor().execute("SHOW SCHEMAS FROM lakehouse").fetchall()
        assert ["silver"] in seen
        with pytest.raises(TrinoQueryError) as refused:
            connection.cursor().execute(f"SHOW SCHEMAS FROM {STRANGER}").fetchall()
    assert "PKIX path" in str(refused.value.failure_info)
