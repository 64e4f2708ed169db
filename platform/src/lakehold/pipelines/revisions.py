"""Whether these versions can work with Airflow's database: ``python -m lakehold.pipelines.revisions`` exits 0 then.

Airflow's schema, and that of its users, each have a revision written down in the database. A version knows those that
it has a migration of: one that it has none of was left by a newer version, and there Airflow does not start. This only
reads: the database, and the migrations as they are installed. Airflow itself is not imported, which takes seconds.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import util
from pathlib import Path

import psycopg

from lakehold.pipelines.prepared import address

_SCHEMAS = {"alembic_version": "migrations", "alembic_version_fab": "providers/fab/migrations"}
"""Table that has the revision → where, below the package, the migrations are."""
_REVISION = re.compile(r"^revision(?:\s*:\s*[\w\[\] |]+)?\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)
_UNREADABLE = 5


def known(folder: Path) -> set[str]:
    """Return every revision there is a migration of."""
    texts = (path.read_text(encoding="utf-8") for path in sorted((folder / "versions").glob("*.py")))
    return {found for text in texts for found in _REVISION.findall(text)}


def stored(environ: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """Return table → the revisions in it; tables that are not there yet are left out."""
    found = {}
    with psycopg.connect(address(environ), connect_timeout=5) as database:
        for table in _SCHEMAS:
            row = database.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
            if row is not None and row[0]:
                rows = database.execute(f'SELECT version_num FROM "{table}"').fetchall()  # noqa: S608 - a constant
                found[table] = [str(one) for (one,) in rows]
    return found


def unknown(present: Mapping[str, Iterable[str]], package: Path) -> list[str]:
    """Return what the database has and the installed migrations do not, as sentences."""
    return [
        f"{table} is at {revision}, of which {_SCHEMAS[table]} of this version has no migration"
        for table, revisions in present.items()
        for revision in sorted(set(revisions) - known(package / _SCHEMAS[table]))
    ]


def package() -> Path:
    """Return where Airflow is installed."""
    spec = util.find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Airflow is not installed here")
    return Path(spec.submodule_search_locations[0])


def main() -> int:
    """Exit code 0 when these versions can work with the database."""
    try:
        wrong = unknown(stored(), package())
    except psycopg.Error as problem:
        sys.stderr.write(f"Airflow's database does not answer: {problem}")
        return 1
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return _UNREADABLE if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
