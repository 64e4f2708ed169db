"""A lakehouse whose tables wear out, and the maintenance program run against it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from free_ports import free_ports
from lakehold.cli.sql import connect
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.tables.catalog import publisher_connection
from rest_catalog import rest_catalog

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
OLD = 30 * 86400


class Lakehouse:
    """One catalog. Programs of the engine environment read the policy in ``folder``."""

    def __init__(self, lab: Any, folder: Path) -> None:
        self.lab = lab
        self.site: Site = lab.site
        self.folder = folder
        self._described = folder / "platform.json"
        described = dataclasses.replace(platform_of(self.site), checkout=str(folder))
        self._described.write_text(described.dumps(), encoding="utf-8")
        self._described.chmod(0o600)
        self._server = self.start(str(HERE / "parts.py"), stdin=subprocess.PIPE, stderr=None)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a Python program of the engine environment."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.site.state),
            "PYTHONPATH": str(REPOSITORY / "platform" / "src"),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
            "LAKEHOLD_PLATFORM": str(self._described),
        }
        command = [str(self.site.pythons["engine"]), *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(command, env=environment, **pipes)

    def part(self, name: str, *wanted: Any) -> Any:
        """Call a function of ``parts.py``; arguments and answer travel as JSON."""
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps([name, wanted]) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "parts.py ended; its error is on the test's own standard error"
        return json.loads(line)

    def verb(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of the program; what it printed."""
        ended, out, err = self.part("verb", *arguments)
        assert ended == code, f"{arguments}: {ended}\n{out}{err}"
        return str(out + err)

    def publication(self, *arguments: str) -> str:
        """Run a verb of the program that publishes; what it printed."""
        run = self.start("-m", "lakehold.tables.run", *arguments)
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
        return str(out)

    def plan(self, table: str) -> dict[str, Any]:
        """What is measured and planned for a table."""
        (one,) = json.loads(self.verb("plan", "--json", table))
        return dict(one)

    def policy(self, budget: dict[str, Any] | None = None, **sections: Any) -> None:
        """Write the policy file, with this budget and these defaults."""
        written = {"budget": budget or {}, "defaults": sections}
        (self.folder / "maintenance.yml").write_text(json.dumps(written), encoding="utf-8")

    def objects(self, table: str) -> dict[str, Path]:
        """The files below a table's location, as they lie on disk, by ``bucket/key``."""
        bucket, _, prefix = self.part("location", table).removeprefix("s3://").partition("/")
        (root,) = [found for found in self.site.data("objectstore").rglob(bucket) if (found / prefix).is_dir()]
        found = [path for path in (root / prefix).rglob("*") if path.is_file()]
        return {f"{bucket}/{path.relative_to(root)}": path for path in found}

    def age(self, table: str) -> None:
        """Make every file below a table's location a month old."""
        for path in self.objects(table).values():
            os.utime(path, (time.time() - OLD, time.time() - OLD))

    def litter(self, table: str, name: str, *, old: bool = True) -> Path:
        """Leave a file below a table's location that nothing refers to, as a writer that was killed does."""
        like = next(path for key, path in self.objects(table).items() if key.endswith(".parquet"))
        path = like.with_name(name)
        path.write_bytes(b"left behind")
        if old:
            os.utime(path, (time.time() - OLD, time.time() - OLD))
        return path

    def query(self, statement: str, user: str = "admin") -> list[list[Any]]:
        """Ask Trino."""
        connection = connect(self.site, user)
        try:
            return connection.cursor().execute(statement).fetchall()  # type: ignore[no-any-return]  # trino has no types
        finally:
            connection.close()

    def ledger(self) -> psycopg.Connection[Any]:
        """A connection to the catalog's database, as the publisher."""
        return psycopg.connect(publisher_connection(self.site))

    def close(self) -> None:
        """End the engine's process."""
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(30)


@pytest.fixture(scope="module")
def lakehouse(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """One catalog for the tests of a file; Trino and Spark are not there unless a test starts them."""
    for name in ("postgres", "objectstore"):
        lab.start(name)
    made = Lakehouse(lab, tmp_path_factory.mktemp("checkout"))
    yield made
    made.close()


@pytest.fixture
def outside(lakehouse: Lakehouse, tmp_path: Path) -> Iterator[Lakehouse]:
    """The same on an outside catalog: Iceberg's own REST server."""
    with rest_catalog(lakehouse.site, *free_ports(1)) as address:
        site = lakehouse.site
        catalog = site.settings.catalog.model_copy(update={"type": "rest", "uri": address})
        site = dataclasses.replace(site, settings=site.settings.model_copy(update={"catalog": catalog}))
        made = Lakehouse(SimpleNamespace(site=site), tmp_path)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def default_policy(lakehouse: Lakehouse) -> None:
    """No policy of an earlier test."""
    lakehouse.policy()
