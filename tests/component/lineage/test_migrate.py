"""The lineage database's migrations: whether they are done can be asked, and asking changes nothing."""

from __future__ import annotations

import psycopg
import pytest
from lakehold.lineage import options
from lakehold.lineage.migrate import ensure_schema, main, migrations, missing

pytestmark = pytest.mark.component


def tables(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_migrated_database_lacks_nothing(database: str) -> None:
    assert missing(database) == []


def test_an_empty_database_lacks_everything_and_stays_empty(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    assert missing(database) == [migration.name for migration in migrations()]
    assert tables(database) == 0
    assert ensure_schema(database) == [migration.name for migration in migrations()]
    assert missing(database) == []


def test_what_is_pending_is_named_and_a_newer_version_s_database_refused(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(options.DATABASE, database)
    assert main(["--check"]) == 0
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM migration WHERE number = %s", (migrations()[-1].number,))
    assert main(["--check"]) == 5
    assert migrations()[-1].name in capsys.readouterr().err
    assert main(["--fits"]) == 0
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO migration (number, name, sha256) VALUES (9999, 'newer', 'x')")
    for question in ("--check", "--fits"):
        assert main([question]) == 5
        assert "does not know" in capsys.readouterr().err
