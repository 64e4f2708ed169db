"""Whether Airflow's database is ready for these versions: ``python -m lakehold.pipelines.prepared`` exits 0 then.

Airflow can say so itself, after seconds of imports, and in a cluster every pod asks. So the last step of :mod:`prepare`
writes down for which versions it was done, in a table of our own beside Airflow's, and this only reads it. There is one
row: what an older version prepared is not ready for it any more once a newer one has been there.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psycopg

from lakehold import __version__

_PACKAGES = ("apache-airflow-core", "apache-airflow-providers-fab")
"""Who has a schema in the database."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS lakehold_prepared"
    " (one boolean PRIMARY KEY DEFAULT true CHECK (one), versions text NOT NULL, at timestamptz NOT NULL)"
)
_MARK = (
    "INSERT INTO lakehold_prepared (versions, at) VALUES (%s, now())"
    " ON CONFLICT (one) DO UPDATE SET versions = excluded.versions, at = excluded.at"
)


def versions() -> str:
    """Name what the database has to fit."""
    return " ".join([f"lakehold={__version__}", *(f"{name}={metadata.version(name)}" for name in _PACKAGES)])


def connection(config: str) -> str:
    """Return libpq's address of the database, from the text of ``airflow.cfg``."""
    parser = configparser.ConfigParser()
    parser.read_string(config)
    scheme, _, rest = parser["database"]["sql_alchemy_conn"].partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"


def mark(environ: Mapping[str, str] = os.environ) -> None:
    """Write down that the database is ready for these versions."""
    with psycopg.connect(address(environ)) as database:
        database.execute(_TABLE)
        database.execute(_MARK, (versions(),))


def found(environ: Mapping[str, str] = os.environ) -> str:
    """Return which versions the database is ready for; empty for none."""
    with psycopg.connect(address(environ), connect_timeout=5) as database:
        row = database.execute("SELECT to_regclass('lakehold_prepared') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            return ""
        row = database.execute("SELECT versions FROM lakehold_prepared").fetchone()
        return str(row[0]) if row else ""


def address(environ: Mapping[str, str]) -> str:
    """Return libpq's address of Airflow's database."""
    return connection(Path(environ["AIRFLOW_CONFIG"]).read_text(encoding="utf-8"))


def main() -> int:
    """Exit code 0 when it is ready for these."""
    try:
        ready = found()
    except psycopg.Error as problem:
        sys.stderr.write(f"Airflow's database does not answer: {problem}")
        return 1
    if ready == versions():
        return 0
    sys.stderr.write(f"Airflow's database is ready for {ready or 'nothing yet'}, and not for {versions()}.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
