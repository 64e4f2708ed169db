"""The lakehouse's schemas, made any number of times: ``python -m … HOST PORT CA CATALOG WAREHOUSE``.

The admin's password comes from the environment (``LAKEHOLD_TRINO_PASSWORD``).
"""

from __future__ import annotations

import os
import sys

from trino.auth import BasicAuthentication
from trino.dbapi import connect

from lakehold.components.trino_rules import SCHEMAS


def statement(catalog: str, schema: str, warehouse: str) -> str:
    """SQL that makes one schema, with its tables below ``<warehouse>/<schema>``."""
    location = f"{warehouse.rstrip('/')}/{schema}"
    return f'CREATE SCHEMA IF NOT EXISTS "{catalog}"."{schema}" WITH (location = \'{location}\')'


def ensure(*, host: str, port: int, ca: str, password: str, catalog: str, warehouse: str) -> None:
    """Make the schemas that are missing, as the user admin; ``ca`` is the file the certificate is checked against."""
    auth = BasicAuthentication("admin", password)
    login = {"user": "admin", "auth": auth, "http_scheme": "https", "verify": ca}
    with connect(host=host, port=port, **login) as connection:  # type: ignore[no-untyped-call]  # the client has no types
        cursor = connection.cursor()
        cursor.execute(f'SHOW SCHEMAS FROM "{catalog}"')
        existing = {row[0] for row in cursor.fetchall()}
        for schema in SCHEMAS:
            if schema not in existing:
                cursor.execute(statement(catalog, schema, warehouse))
                cursor.fetchall()


def main() -> None:
    """Read the address from the command line and the password from the environment."""
    host, port, ca, catalog, warehouse = sys.argv[1:6]
    password = os.environ["LAKEHOLD_TRINO_PASSWORD"]
    ensure(host=host, port=int(port), ca=ca, password=password, catalog=catalog, warehouse=warehouse)


if __name__ == "__main__":
    main()
