"""One migrated database for the tests of a file, empty for each of them."""

from typing import Any

import psycopg
import pytest
from told_events import Derived


@pytest.fixture(scope="module")
def migrated(postgres: Any) -> str:
    from lakehold.lineage.migrate import ensure_schema

    ensure_schema(postgres.database)
    return str(postgres.database)


@pytest.fixture
def derived(migrated: str) -> Derived:
    with psycopg.connect(migrated) as connection:
        tables = connection.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename NOT IN ('migration', 'stage')"
        ).fetchone()
        assert tables is not None
        connection.execute(f"TRUNCATE {tables[0]}".encode())
        connection.execute("UPDATE stage SET position = 0")
    return Derived(migrated)
