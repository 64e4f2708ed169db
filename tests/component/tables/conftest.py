"""A catalog with PostgreSQL and the object store, and the engine environment's programs run against it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.tables import bootstrap
from lakehold.tables.catalog import publisher_connection

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


class Lakehouse:
    """A lab whose tables are written by programs of the engine environment."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.site: Site = lab.site
        self._described = self.site.state / "work" / "platform.json"
        self._described.write_text(platform_of(self.site).dumps())
        self._described.chmod(0o600)

    def environment(self) -> dict[str, str]:
        """What every child is given."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.site.state),
            "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
            "LAKEHOLD_PLATFORM": str(self._described),
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a Python program of the engine environment."""
        command = [str(self.site.pythons["engine"]), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment(), text=True, **{**pipes, **options})

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of ``lakehold.tables.run`` to its end; its output, or its error when another ``code`` is due."""
        process = self.start("-m", "lakehold.tables.run", *arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}{err[-4000:]}"
        return out if code == 0 else err

    def part(self, name: str, wanted: Any, script: str = "parts.py") -> Any:
        """Call a function of a script in the engine environment; arguments and answer travel as JSON."""
        process = self.start(str(HERE / script), name)
        out, err = process.communicate(json.dumps(wanted), timeout=300)
        assert process.returncode == 0, f"{name}: {out}{err[-4000:]}"
        return json.loads(out.splitlines()[-1])

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the catalog's database, as the publisher."""
        with psycopg.connect(publisher_connection(self.site)) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def clear(self) -> None:
        """Empty the catalog, and make the schemas anew."""
        for table in ("audit.shadows", "iceberg_tables", "iceberg_namespace_properties"):
            self.query(f"DELETE FROM {table}")
        warehouse = self.site.settings.catalog.warehouse.rstrip("/")
        for schema in ("silver", "gold"):
            for key, value in (("exists", "true"), ("location", f"{warehouse}/{schema}")):
                row = (self.site.settings.catalog.name, schema, key, value)
                self.query("INSERT INTO iceberg_namespace_properties VALUES (%s, %s, %s, %s)", row)


@pytest.fixture(scope="module")
def lakehouse(lab: Any) -> Lakehouse:
    """One catalog for the tests of a file; Trino and Spark are not there unless a test starts them."""
    for name in ("postgres", "objectstore"):
        lab.start(name)
    assert bootstrap.DATABASE in publisher_connection(lab.site)
    return Lakehouse(lab)


@pytest.fixture
def fresh(lakehouse: Lakehouse) -> Lakehouse:
    """The catalog, with the schemas silver and gold and nothing in them."""
    lakehouse.clear()
    return lakehouse
