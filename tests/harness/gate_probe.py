"""A site with a table of known rows, on which tests run gates."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
from engine_loop import Done, EngineLoop
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site

REPOSITORY = Path(__file__).parents[2]
PARTS = REPOSITORY / "tests" / "component" / "quality"
SUITE = """
summary: a probe
owner: testers
tables:
  - table: bronze.gate_probe
    rows: day >= DATE '{from}' AND day < DATE '{to}'
    rules:
      - id: has_name
        expect: expect_column_values_to_not_be_null
        with: {column: name}
        severity: block
        breaks: the page
      - id: small
        expect: expect_column_values_to_be_between
        with: {column: n, max_value: 10}
        severity: warn
        breaks: a bit
      - id: no_double
        expect: no_rows_from
        with: {query: "SELECT n, count(*) AS times FROM {batch} GROUP BY n HAVING count(*) > 1"}
        severity: block
        breaks: the sums
"""
ROWS = """
  (DATE '2013-01-01', 'a', 1), (DATE '2013-01-01', 'b', 2), (DATE '2013-01-02', 'c', 70),
  (DATE '2013-01-03', NULL, 4), (DATE '2013-01-03', 'e', 5), (DATE '2013-01-03', 'f', 5)
"""


class Probe:
    """A site with a table of known rows, and programs of the engine environment run on it."""

    def __init__(self, site: Site, folder: Path, cursor: Any) -> None:
        self.site = site
        self.folder = folder
        self.cursor = cursor
        (folder / "quality").mkdir()
        self._described = folder / "platform.json"
        self._described.write_text(platform_of(site).dumps(), encoding="utf-8")
        self._loop = EngineLoop(site.pythons["engine"], folder, self._environment())

    def _environment(self) -> dict[str, str]:
        path = [REPOSITORY / "platform" / "src", REPOSITORY / "jobs", PARTS]
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(map(str, path)),
            "LAKEHOLD_PLATFORM": str(self._described),
        }

    def close(self) -> None:
        """End the engine's process."""
        self._loop.close()

    def program(self, module: str, *arguments: str, **environment: str) -> Done:
        """Run ``python -m module``, in a process that has run others before."""
        return self._loop.run(module, *arguments, **environment)

    def run(self, *arguments: str) -> Done:
        """Run the engine environment's Python, as a process of its own."""
        command = [self.site.pythons["engine"], *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self._environment(), capture_output=True, text=True, timeout=600, check=False
        )

    def write(self, text: str = SUITE) -> None:
        """Make ``text`` the suite ``probe``."""
        (self.folder / "quality" / "probe.yml").write_text(text, encoding="utf-8")

    def gate(self, start: str, end: str, text: str = SUITE, **environment: str) -> Done:
        """Run a suite, given as text, over an interval."""
        self.write(text)
        arguments = ("--suite", "probe", "--from", start, "--to", end)
        return self.program("lakehold.quality.run", *arguments, **environment)

    def query(self, sql: str) -> list[list[Any]]:
        """Ask Trino as admin."""
        return self.cursor.execute(sql).fetchall()  # type: ignore[no-any-return]  # trino has no types

    def gate_queries(self, since: int) -> list[dict[str, Any]]:
        """Trino's statistics of what gates asked after the first ``since`` queries, oldest first."""
        port, secret = self.site.ports["trino"], self.site.secrets["trino.admin"]
        trusted = ssl.create_default_context(cafile=self.site.tls / "ca.pem")
        with httpx.Client(verify=trusted, trust_env=False, auth=("admin", secret)) as client:
            base = f"https://127.0.0.1:{port}/v1/query"
            listed = [one for one in client.get(base).json() if one["session"].get("source") == "lakehold-gate"]
            listed.sort(key=lambda one: one["queryStats"]["createTime"])
            return [client.get(f"{base}/{one['queryId']}").json() for one in listed[since:]]
