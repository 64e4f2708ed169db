"""A PostgreSQL that others look after: databases and roles are made by one who is no superuser there."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from lakehold.components.postgres import ROLES
from lakehold.components.postgres_roles import DATABASES, ensure
from psycopg import sql

pytestmark = pytest.mark.component

OWNER = "owner"


def login(lab: Any, user: str, password: str, database: str = "postgres") -> str:
    port = lab.site.ports["postgres"]
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user=user, password=password, dbname=database, connect_timeout=5
    )


@pytest.fixture(scope="module")
def outside(lab: Any) -> Any:
    """A server on which there is an administrator with two rights, and nothing of ours."""
    lab.start("postgres")
    secret = lab.site.secrets["postgres.superuser"]
    with psycopg.connect(login(lab, "postgres", secret), autocommit=True) as admin:
        for database in DATABASES:
            admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database)))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        admin.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD 'hush'")
        admin.execute(f"GRANT CONNECT ON DATABASE postgres TO {OWNER}")
    return lab


def test_it_is_made_twice_by_an_administrator_with_two_rights(outside: Any) -> None:
    passwords = {role: outside.site.secrets[f"postgres.{role}"] for role in ROLES}
    for _ in range(2):
        ensure(login(outside, OWNER, "hush"), passwords)
    for database, roles in DATABASES.items():
        for role in roles:
            with psycopg.connect(login(outside, role, passwords[role], database)) as connection:
                assert connection.execute("SELECT current_user").fetchone() == (role,)
    with psycopg.connect(login(outside, "trino", passwords["trino"], "catalog")) as connection:
        connection.execute("INSERT INTO iceberg_tables VALUES ('c', 'n', 't', 'm', NULL, 'TABLE')")
        connection.rollback()
