"""The database of an OpenMetadata that is run here: its own, and nobody else's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from lakehold.components.openmetadata import ROLE
from lakehold.components.openmetadata_prepare import ensure
from lakehold.components.postgres_roles import DATABASES

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def server(lab: Any) -> Any:
    lab.start("postgres")
    return lab


def info(lab: Any, user: str, password: str) -> str:
    port = lab.site.ports["postgres"]
    return psycopg.conninfo.make_conninfo(host="127.0.0.1", port=port, user=user, password=password)


def test_it_is_made_any_number_of_times_and_its_role_makes_tables_and_extensions(server: Any) -> None:
    superuser = info(server, "postgres", server.site.secrets["postgres.superuser"])
    for password in ("one", "two", "two"):
        ensure(superuser, password)
        with psycopg.connect(info(server, ROLE, password), dbname=ROLE) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS entity (id int)")
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def test_its_role_gets_nowhere_else_and_no_other_role_gets_there(server: Any) -> None:
    ensure(info(server, "postgres", server.site.secrets["postgres.superuser"]), "two")
    for database in (*DATABASES, "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(info(server, ROLE, "two"), dbname=database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(info(server, "airflow", server.site.secrets["postgres.airflow"]), dbname=ROLE)
