"""Maintenance by Trino: its statements (pure), and a session of the user ``maintenance`` that runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehold.config import ancestry
from lakehold.config.platform import TrinoAddress

USER = "maintenance"
SOURCE = "lakehold-maintenance"
_ATTEMPTS = 2
"""Times a probe runs; the faster one counts, so that a cold cache is not taken for a worn table."""


def name(catalog: str, schema: str, table: str) -> str:
    """Return a table's name, quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table))


def optimize(table: str, limit: int) -> str:
    """Return the statement that rewrites data files below ``limit`` bytes, and those with deleted rows."""
    return f"ALTER TABLE {table} EXECUTE optimize(file_size_threshold => '{limit}B')"


def optimize_manifests(table: str) -> str:
    """Return the statement that writes the manifests anew, by partition."""
    return f"ALTER TABLE {table} EXECUTE optimize_manifests"


def analyze(table: str) -> str:
    """Return the statement that computes statistics."""
    return f"ANALYZE {table}"


def planning_probe(table: str) -> str:
    """Return a query that plans every file of the table and reads none."""
    return f"""SELECT count(*) FROM {table} WHERE "$path" = ''"""  # noqa: S608 - names are quoted


def scan_probe(table: str, column: str) -> str:
    """Return a query that opens every file of the table and reads one column."""
    quoted = '"' + column.replace('"', '""') + '"'
    return f"SELECT count(*), checksum({quoted}) FROM {table}"  # noqa: S608 - names are quoted


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Milliseconds to plan a query over the whole table, and to run one that opens every file."""

    planning_ms: float
    scan_ms: float


class Trino:
    """One login. Errors are the client's own."""

    def __init__(self, address: TrinoAddress, progress: Callable[[Mapping[str, Any]], None] | None = None) -> None:
        self._address = address
        self._progress = progress

    def run(self, statement: str, session: Mapping[str, str] | None = None) -> list[list[Any]]:
        """Run a statement to its end and return its rows."""
        import requests
        import trino

        address = self._address
        http = requests.Session()
        # REQUESTS_CA_BUNDLE and proxy variables would win over what is set here.
        http.trust_env = False
        http.verify = address.ca
        connection = trino.dbapi.Connection(
            host=address.host,
            port=address.port,
            user=USER,
            auth=trino.auth.BasicAuthentication(USER, address.passwords[USER]),
            http_scheme="https",
            http_session=http,
            catalog=address.catalog,
            source=SOURCE,
            client_tags=ancestry.trino_tags(ancestry.of_environment()),
            session_properties=dict(session or {}),
        )
        with connection, http:
            cursor = connection.cursor(stats_callback=self._progress)
            cursor.execute(statement)
            return [list(row) for row in cursor.fetchall()]

    def probe(self, table: str, column: str | None) -> Probe:
        """Measure the table as a reader meets it."""
        scan = scan_probe(table, column) if column else planning_probe(table)
        return Probe(planning_ms=self._fastest(planning_probe(table)), scan_ms=self._fastest(scan))

    def _fastest(self, query: str) -> float:
        times = []
        for _ in range(_ATTEMPTS):
            began = time.perf_counter()
            self.run(query)
            times.append(1000 * (time.perf_counter() - began))
        return round(min(times), 1)
