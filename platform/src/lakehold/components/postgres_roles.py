"""Databases, roles and rights, any number of times: ``python -m lakehold.components.postgres_roles HOST PORT USER``.

Passwords come from the environment (``PGPASSWORD`` for the user, ``LAKEHOLD_PASSWORD_<ROLE>`` for each role) and
are set again on every run, so that a changed secret takes effect. They travel as SCRAM verifiers: the server never
sees the text. The user is a superuser or, in a server that others look after, one that may make databases and roles:
it leaves alone what only a superuser may change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import psycopg
from psycopg import sql

from lakehold.components.postgres import ROLES
from lakehold.tables import bootstrap

DATABASES: Mapping[str, tuple[str, ...]] = {
    bootstrap.DATABASE: (*bootstrap.ROLES, *bootstrap.READERS),
    "airflow": ("airflow",),
    "lineage": ("lineage",),
}
"""Database → the roles that may connect to it. All databases belong to the superuser, so no role can drop its own."""

OWNERS: Mapping[str, str] = {"airflow": "airflow", "lineage": "lineage"}
"""Database → the role that makes its own tables in schema ``public``; the catalog's tables are ours."""

_OWN_LIMITS = sql.SQL("NOCREATEDB NOCREATEROLE NOINHERIT")
_LIMITS = sql.SQL("NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT")
"""What no role of ours may; the first without what a role that is made does not get anyway."""
_LOCK = 727001
"""Key of the advisory lock: two runs at the same time wait for each other."""


def ensure(connection_info: str, passwords: Mapping[str, str]) -> None:
    """Bring roles, databases and rights to the declared state; ``passwords`` by role."""
    with psycopg.connect(connection_info, dbname="postgres", autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        everything = admin.execute("SHOW is_superuser").fetchone() == ("on",)
        for role in ROLES:
            ensure_role(admin, role, passwords[role], _LIMITS if everything else _OWN_LIMITS)
        for database in ("postgres", "template1") if everything else ():
            admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        for database, roles in DATABASES.items():
            ensure_database(admin, database, roles)
        for database in DATABASES:
            with psycopg.connect(connection_info, dbname=database) as connection:
                _ensure_rights(connection, database)


def ensure_role(admin: psycopg.Connection, role: str, password: str, limits: sql.SQL = _LIMITS) -> None:
    """Make the role, or give it this password; it may log in and nothing else."""
    name = sql.Identifier(role)
    if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        admin.execute(sql.SQL("CREATE ROLE {}").format(name))
    verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    admin.execute(sql.SQL("ALTER ROLE {} LOGIN {} PASSWORD {}").format(name, limits, sql.Literal(verifier)))


def ensure_database(admin: psycopg.Connection, database: str, roles: tuple[str, ...]) -> None:
    """Make the database, to which these roles may connect and nobody else."""
    name = sql.Identifier(database)
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    grantees = sql.SQL(", ").join(map(sql.Identifier, roles))
    admin.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, grantees))


def _ensure_rights(connection: psycopg.Connection, database: str) -> None:
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    owner = OWNERS.get(database)
    if owner is not None:
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
        return
    for statement in bootstrap.statements():
        connection.execute(sql.SQL(statement))


def main() -> None:
    """Read the address from the command line and the secrets from the environment."""
    host, port, user = sys.argv[1:4]
    info = psycopg.conninfo.make_conninfo(host=host, port=port, user=user, password=os.environ["PGPASSWORD"])
    ensure(info, {role: os.environ[f"LAKEHOLD_PASSWORD_{role.upper()}"] for role in ROLES})


if __name__ == "__main__":
    main()
