"""The triggers of the catalog: what they refuse to whom, and that a second bootstrap changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from lakehold.components.postgres import POSTGRES
from lakehold.tables import bootstrap

pytestmark = pytest.mark.component

RUN = "a dag/it's a run"
ENGINES = ("trino", "spark", "engine")


def connect(lab: Any, user: str) -> psycopg.Connection[Any]:
    secret = lab.site.secrets[f"postgres.{'superuser' if user == 'postgres' else user}"]
    port = lab.site.ports["postgres"]
    return psycopg.connect(host="127.0.0.1", port=port, user=user, password=secret, dbname=bootstrap.DATABASE)


@pytest.fixture(scope="module")
def server(lab: Any) -> Any:
    lab.start("postgres")
    return lab


@pytest.fixture
def shadowed(server: Any) -> Iterator[Any]:
    """Two schemas, one of them in a live shadow that clones the table ``t`` and the view ``v`` and adds ``new``."""
    with connect(server, "publisher") as connection:
        tables = [("gold", "t", "TABLE"), ("gold", "v", "VIEW"), ("gold", "other", "TABLE"), ("silver", "t", "TABLE")]
        tables += [("gold__audit_1", "t", "TABLE"), ("gold__audit_1", "v", "VIEW"), ("gold__audit_1", "new", "TABLE")]
        for schema, name, kind in tables:
            values = ("c", schema, name, "s3://m", kind)
            connection.execute("INSERT INTO iceberg_tables VALUES (%s, %s, %s, %s, NULL, %s)", values)
        for schema in ("gold", "gold__audit_1", "silver"):
            rows = [("c", schema, "exists", "true"), ("c", schema, "location", "s3://l"), ("c", schema, "owner", "me")]
            for row in rows:
                connection.execute("INSERT INTO iceberg_namespace_properties VALUES (%s, %s, %s, %s)", row)
        connection.execute("INSERT INTO audit.shadows VALUES (gen_random_uuid(), 'c', %s, 'g')", (RUN,))
        shadow = "(SELECT shadow_id FROM audit.shadows)"
        connection.execute(f"INSERT INTO audit.shadow_schemas VALUES ({shadow}, 'c', 'gold', 'gold__audit_1')")
        for name, kind in (("t", "TABLE"), ("v", "VIEW")):
            row = f"{shadow}, 'c', 'gold', 'gold__audit_1', '{name}', '{kind}', 'b', 'c', '{{}}'"
            connection.execute(f"INSERT INTO audit.shadow_tables VALUES ({row})")
    yield server
    with connect(server, "publisher") as connection:
        for table in ("audit.shadows", "iceberg_tables", "iceberg_namespace_properties"):
            connection.execute(f"DELETE FROM {table}")


SHARING = [("gold", "t"), ("gold__audit_1", "t")]


@pytest.mark.parametrize("user", ENGINES)
@pytest.mark.parametrize(("schema", "name"), SHARING)
def test_no_engine_drops_or_renames_a_clone_or_its_original(shadowed: Any, user: str, schema: str, name: str) -> None:
    key = "WHERE catalog_name = 'c' AND table_namespace = %s AND table_name = %s"
    changes = ["SET table_name = 'x'", "SET table_namespace = 'silver', table_name = 'x'", "SET catalog_name = 'd'"]
    statements = [f"DELETE FROM iceberg_tables {key}", *(f"UPDATE iceberg_tables {change} {key}" for change in changes)]
    for statement in statements:
        with connect(shadowed, user) as connection, pytest.raises(psycopg.errors.ObjectInUse) as refused:
            connection.execute(statement, (schema, name))
        message = str(refused.value)
        assert f"{schema}.{name}" in message
        assert 'run "a dag/it\'s a run" (group g) is not published' in message
        assert "lakehold tables discard" in message
        assert ("to drop" in message) is statement.startswith("DELETE")


@pytest.mark.parametrize("user", [*ENGINES, "publisher"])
def test_a_commit_is_free_and_so_is_what_shares_nothing(shadowed: Any, user: str) -> None:
    with connect(shadowed, user) as connection:
        moved = connection.execute(
            "UPDATE iceberg_tables SET metadata_location = 'n', previous_metadata_location = 'o'"
        )
        assert moved.rowcount == 7
        for schema, name in (("gold", "v"), ("gold__audit_1", "v"), ("gold", "other"), ("silver", "t")):
            statement = "DELETE FROM iceberg_tables WHERE table_namespace = %s AND table_name = %s"
            assert connection.execute(statement, (schema, name)).rowcount == 1
        renamed = "UPDATE iceberg_tables SET table_name = 'newer' WHERE table_name = 'new'"
        assert connection.execute(renamed).rowcount == 1
        connection.rollback()


@pytest.mark.parametrize("user", ENGINES)
@pytest.mark.parametrize("schema", ["gold", "gold__audit_1"])
def test_a_schema_with_a_live_shadow_stays_where_it_is(shadowed: Any, user: str, schema: str) -> None:
    move = "UPDATE iceberg_namespace_properties SET property_value = 'x' WHERE property_key = 'location'"
    for statement in (
        "DELETE FROM iceberg_namespace_properties WHERE namespace = %s",
        f"{move} AND namespace = %s",
    ):
        with connect(shadowed, user) as connection, pytest.raises(psycopg.errors.ObjectInUse, match="refuses to drop"):
            connection.execute(statement, (schema,))
    with connect(shadowed, user) as connection:
        owner = "DELETE FROM iceberg_namespace_properties WHERE namespace = %s AND property_key = 'owner'"
        assert connection.execute(owner, (schema,)).rowcount == 1
        silver = "DELETE FROM iceberg_namespace_properties WHERE namespace = 'silver'"
        assert connection.execute(silver).rowcount == 3
        connection.rollback()


def test_the_publisher_lets_go(shadowed: Any) -> None:
    with connect(shadowed, "publisher") as connection:
        assert connection.execute("DELETE FROM iceberg_tables WHERE table_name = 't'").rowcount == 3
        assert connection.execute("DELETE FROM iceberg_namespace_properties").rowcount == 9
        connection.rollback()


@pytest.mark.parametrize("user", ENGINES)
def test_engines_cannot_make_themselves_the_publisher_nor_change_the_ledger(shadowed: Any, user: str) -> None:
    for statement in (
        "SET SESSION AUTHORIZATION publisher",
        "SET ROLE publisher",
        "DELETE FROM audit.shadows",
        "UPDATE audit.shadow_tables SET table_name = 'x'",
        "ALTER TABLE iceberg_tables DISABLE TRIGGER keep_shared_files",
        "DROP TRIGGER keep_shared_files ON iceberg_tables",
        "SET session_replication_role = replica",
        "DROP FUNCTION audit.keep_shared_files() CASCADE",
    ):
        with connect(shadowed, user) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_the_publisher_cannot_rewrite_history(shadowed: Any) -> None:
    for statement in (
        "DELETE FROM audit.publications",
        "UPDATE audit.publications SET run = 'x'",
        "DELETE FROM audit.publication_tables",
        "TRUNCATE audit.shadows",
        "CREATE TABLE audit.mine (a int)",
    ):
        with connect(shadowed, "publisher") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_drop_that_came_a_moment_before_the_clone_was_there_is_refused(server: Any) -> None:
    with connect(server, "publisher") as publisher, connect(server, "trino") as trino, ThreadPoolExecutor() as pool:
        publisher.execute("INSERT INTO iceberg_tables VALUES ('c', 'gold', 't', 'm', NULL, 'TABLE')")
        publisher.commit()
        publisher.execute("SELECT 1 FROM iceberg_tables FOR SHARE")
        drop = pool.submit(trino.execute, "DELETE FROM iceberg_tables WHERE table_name = 't'")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'trino' AND wait_event_type = 'Lock'"
        with connect(server, "postgres") as admin:
            admin.autocommit = True
            while admin.execute(waiting).fetchone() != (1,):
                time.sleep(0.02)
        publisher.execute("INSERT INTO audit.shadows VALUES (gen_random_uuid(), 'c', 'r', 'g')")
        row = "'c', 'gold', 'gold__audit_1', 't', 'TABLE', 'b', 'c', '{}'"
        publisher.execute(f"INSERT INTO audit.shadow_tables SELECT shadow_id, {row} FROM audit.shadows")
        publisher.commit()
        with pytest.raises(psycopg.errors.ObjectInUse):
            drop.result(10)
        publisher.execute("DELETE FROM audit.shadows")
        publisher.execute("DELETE FROM iceberg_tables")


def test_a_second_bootstrap_keeps_the_ledger(shadowed: Any) -> None:
    for task in (*POSTGRES.after, *POSTGRES.after):
        shadowed.run(task)
    with connect(shadowed, "engine") as connection:
        assert connection.execute("SELECT run FROM audit.shadows").fetchall() == [(RUN,)]
