"""PostgreSQL from its declaration: who can log in where, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import psycopg
import pytest
from lakehold.components.postgres import POSTGRES, ROLES, cluster
from lakehold.components.postgres_ready import is_ready
from lakehold.components.postgres_roles import DATABASES
from lakehold.tables import bootstrap

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def server(lab: Any) -> Any:
    lab.start("postgres")
    return lab


def connect(lab: Any, user: str, database: str, password: str | None = None) -> psycopg.Connection:
    name = "superuser" if user == "postgres" else user
    secret = lab.site.secrets[f"postgres.{name}"] if password is None else password
    port = lab.site.ports["postgres"]
    return psycopg.connect(host="127.0.0.1", port=port, user=user, password=secret, dbname=database, connect_timeout=5)


def test_ready_says_no_for_a_port_nobody_listens_on() -> None:
    assert not is_ready("127.0.0.1", 1, timeout=0.5)


@pytest.mark.parametrize(("database", "role"), [(name, role) for name, roles in DATABASES.items() for role in roles])
def test_a_role_connects_to_its_database(server: Any, database: str, role: str) -> None:
    with connect(server, role, database) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (role,)


@pytest.mark.parametrize(
    ("database", "role"),
    [
        (name, role)
        for name in (*DATABASES, "postgres", "template1")
        for role in ROLES
        if role not in DATABASES.get(name, ())
    ],
)
def test_a_role_cannot_connect_elsewhere(server: Any, database: str, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(server, role, database)


@pytest.mark.parametrize("password", ["", "wrong", "postgres"])
@pytest.mark.parametrize("user", ["postgres", "airflow"])
def test_a_wrong_or_missing_password_is_refused(server: Any, user: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        connect(server, user, "postgres", password=password)


@pytest.mark.parametrize("role", bootstrap.ROLES)
def test_an_engine_changes_rows_of_the_catalog_and_nothing_else(server: Any, role: str) -> None:
    with connect(server, role, "catalog") as connection:
        connection.execute("INSERT INTO iceberg_tables VALUES ('scratch', 'n', 't', 'a', NULL, 'TABLE')")
        connection.execute("UPDATE iceberg_tables SET metadata_location = 'b' WHERE catalog_name = 'scratch'")
        connection.execute("DELETE FROM iceberg_tables WHERE catalog_name = 'scratch'")
    for statement in (
        "CREATE TABLE public.mine (a int)",
        "DROP TABLE iceberg_tables",
        "TRUNCATE iceberg_tables",
        "ALTER TABLE iceberg_tables ADD COLUMN a int",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY iceberg_tables TO PROGRAM 'cat'",
    ):
        with connect(server, role, "catalog") as connection:
            connection.autocommit = True
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("role", bootstrap.READERS)
def test_a_reader_of_the_catalog_changes_nothing_in_it(server: Any, role: str) -> None:
    with connect(server, role, "catalog") as connection:
        connection.execute("SELECT * FROM iceberg_tables")
    for statement in (
        "INSERT INTO iceberg_tables VALUES ('scratch', 'n', 't', 'a', NULL, 'TABLE')",
        "UPDATE iceberg_tables SET metadata_location = 'b'",
        "DELETE FROM iceberg_tables",
        "TRUNCATE iceberg_tables",
        "CREATE TABLE public.mine (a int)",
        "DELETE FROM audit.publications",
    ):
        with connect(server, role, "catalog") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_airflow_makes_tables_in_its_own_database_and_cannot_drop_it(server: Any) -> None:
    with connect(server, "airflow", "airflow") as connection:
        connection.execute("CREATE TABLE scratch (a int)")
        connection.execute("DROP TABLE scratch")
    with connect(server, "lineage", "lineage") as connection:
        connection.autocommit = True
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP DATABASE airflow")


def test_the_server_is_durable_checked_and_on_loopback_only(server: Any) -> None:
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "server_encoding": "UTF8",
    }
    with connect(server, "postgres", "postgres") as connection:
        found = {name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in wanted}
    assert found == {name: (value,) for name, value in wanted.items()}


def test_nothing_on_disk_or_in_the_log_shows_a_password(server: Any) -> None:
    secrets = [value for name, value in server.site.secrets.items() if name.startswith("postgres.")]
    log = server.log("postgres").read_text()
    assert not [value for value in secrets if value in log]
    assert not (cluster(server.site).parent / "cluster.password").exists()
    modes = {path.stat().st_mode & 0o077 for path in server.site.conf("postgres").iterdir()}
    assert modes == {0}


def test_before_and_after_run_again_and_a_changed_secret_takes_effect(server: Any) -> None:
    before = server.site
    changed = {"postgres.superuser": "new-super'user", "postgres.spark": "new-spark"}
    try:
        server.stop("postgres")
        server.site = dataclasses.replace(before, secrets={**before.secrets, **changed})
        server.start("postgres")
        with connect(server, "spark", "catalog") as connection:
            connection.execute("SELECT * FROM iceberg_tables")
        with connect(server, "postgres", "postgres"):
            pass
        for user, name in (("spark", "postgres.spark"), ("postgres", "postgres.superuser")):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                connect(server, user, "catalog", password=before.secrets[name])
    finally:
        server.stop("postgres")
        server.site = before
        server.start("postgres")
    for task in (*POSTGRES.after, *POSTGRES.after):
        server.run(task)
    with connect(server, "spark", "catalog"):
        pass
