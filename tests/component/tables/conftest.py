"""A catalog with PostgreSQL and the object store, and the engine environment's programs run against it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from fake_gateway import TOKENS, Client, FakeGateway
from free_ports import free_ports
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.tables import bootstrap
from lakehold.tables.catalog import CREDENTIAL, publisher_connection
from rest_catalog import BACKEND, rest_catalog

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


class Lakehouse:
    """A lab whose tables are written by programs of the engine environment."""

    def __init__(self, lab: Any, rows_of: str = "") -> None:
        self.lab = lab
        self.rows_of = rows_of
        """The catalog's name in its database, where that is not the one engines use."""
        self.site: Site = lab.site
        self._described = self.site.state / "work" / "platform.json"
        self._described.write_text(platform_of(self.site).dumps())
        self._described.chmod(0o600)
        self._server: subprocess.Popen[str] | None = None

    def environment(self) -> dict[str, str]:
        """What every child is given."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.site.state),
            "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
            "LAKEHOLD_PLATFORM": str(self._described),
        }

    def start(self, *arguments: str, stderr: Any = subprocess.PIPE, **variables: str) -> subprocess.Popen[str]:
        """Start a Python program of the engine environment, with more ``variables`` in its environment."""
        command = [str(self.site.pythons["engine"]), *arguments]
        environment = {**self.environment(), **variables}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=stderr)

    def verb(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of ``lakehold.tables.run``; what it printed, its error when another exit ``code`` is due."""
        ended, out, err = self.part("verb", list(arguments))
        assert ended == code, f"{arguments}: {ended}\n{out}{err}"
        return str(err if code else out)

    def part(self, name: str, wanted: Any = None) -> Any:
        """Call a function of ``parts.py`` in the engine environment; arguments and answer travel as JSON."""
        if self._server is None:
            log = (self.site.state / "logs" / "parts.log").open("a")
            self._server = self.start(str(HERE / "parts.py"), stderr=log)
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps([name, wanted]) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, (self.site.state / "logs" / "parts.log").read_text()[-4000:]
        return json.loads(line)

    def elsewhere(self, name: str, wanted: Any) -> None:
        """The same in a process of its own, while the other is at work."""
        process = self.start(str(HERE / "parts.py"))
        out, err = process.communicate(json.dumps([name, wanted]) + "\n", timeout=120)
        assert process.returncode == 0, out + err

    def close(self) -> None:
        """End the engine's process."""
        if self._server is not None:
            self._server.communicate(timeout=30)

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the catalog's database, as the publisher."""
        with psycopg.connect(publisher_connection(self.site)) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def place(self, table: str) -> str:
        """Where the metadata file of ``schema.table`` is."""
        where = "table_namespace = %s AND table_name = %s"
        ((found,),) = self.query(f"SELECT metadata_location FROM iceberg_tables WHERE {where}", table.split("."))
        return str(found)

    def clear(self) -> None:
        """Empty the catalog, and make the schemas anew."""
        for table in ("audit.shadows", "audit.left_folders", "iceberg_tables", "iceberg_namespace_properties"):
            self.query(f"DELETE FROM {table}")
        warehouse = self.site.settings.catalog.warehouse.rstrip("/")
        for schema in ("silver", "gold"):
            for key, value in (("exists", "true"), ("location", f"{warehouse}/{schema}")):
                row = (self.rows_of or self.site.settings.catalog.name, schema, key, value)
                self.query("INSERT INTO iceberg_namespace_properties VALUES (%s, %s, %s, %s)", row)


@pytest.fixture(scope="module")
def lakehouse(lab: Any) -> Iterator[Lakehouse]:
    """One catalog for the tests of a file; Trino and Spark are not there unless a test starts them."""
    for name in ("postgres", "objectstore"):
        lab.start(name)
    assert bootstrap.DATABASE in publisher_connection(lab.site)
    made = Lakehouse(lab)
    yield made
    made.close()


@pytest.fixture
def fresh(lakehouse: Lakehouse) -> Lakehouse:
    """The catalog, with the schemas silver and gold and nothing in them."""
    lakehouse.clear()
    return lakehouse


@pytest.fixture(scope="module")
def outside(lab: Any) -> Iterator[Lakehouse]:
    """The same on an outside catalog: Iceberg's own REST server, behind a gateway that can tear commits apart."""
    for name in ("postgres", "objectstore"):
        lab.start(name)
    robot = Client(name="robot", secret="s3cret", scope="all")
    with rest_catalog(lab.site, *free_ports(1)) as address, FakeGateway(address, robot) as gateway:
        login = {"credential_file": Path("robot"), "oauth2_uri": gateway.address + TOKENS, "oauth2_scope": robot.scope}
        catalog = lab.site.settings.catalog.model_copy(update={"type": "rest", "uri": gateway.address, **login})
        settings = lab.site.settings.model_copy(update={"catalog": catalog})
        secrets = {**lab.site.secrets, CREDENTIAL: f"{robot.name}:{robot.secret}"}
        site = dataclasses.replace(lab.site, settings=settings, secrets=secrets)
        made = Lakehouse(SimpleNamespace(site=site, gateway=gateway), BACKEND)
        yield made
        made.close()
