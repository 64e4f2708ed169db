"""The JDBC catalog's two tables in PostgreSQL, as SQL that may run any number of times.

The columns are those Iceberg's ``JdbcCatalog`` (schema V1, which knows views) and pyiceberg's ``SqlCatalog`` agree on.
No engine creates them itself: Trino never does, and the engines' database roles may not.
"""

from __future__ import annotations

from lakehold.tables import ledger_schema

DATABASE = "catalog"
"""The PostgreSQL database the catalog lives in."""

ROLES = ("trino", "spark", "engine", ledger_schema.PUBLISHER)
"""Database roles of the engines that read and commit through the catalog, and of the one that publishes."""

READERS = ("lineage",)
"""Database roles that may look at the catalog and at what was published, and change neither."""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS public.iceberg_tables (
        catalog_name varchar(255) NOT NULL,
        table_namespace varchar(255) NOT NULL,
        table_name varchar(255) NOT NULL,
        metadata_location varchar(1000),
        previous_metadata_location varchar(1000),
        iceberg_type varchar(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS public.iceberg_namespace_properties (
        catalog_name varchar(255) NOT NULL,
        namespace varchar(255) NOT NULL,
        property_key varchar(255) NOT NULL,
        property_value varchar(1000),
        PRIMARY KEY (catalog_name, namespace, property_key)
    )
    """,
)


def statements() -> list[str]:
    """All statements, in order: tables, rights on their rows (no role may alter or truncate a table), the ledger."""
    roles, tables = ", ".join(ROLES), "public.iceberg_tables, public.iceberg_namespace_properties"
    return [
        *TABLES,
        f"GRANT USAGE ON SCHEMA public TO {roles}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {roles}",
        *ledger_schema.statements(),
        *_looking(", ".join(READERS)),
    ]


def _looking(roles: str) -> list[str]:
    return [
        f"GRANT USAGE ON SCHEMA public, {ledger_schema.SCHEMA} TO {roles}",
        f"GRANT SELECT ON public.iceberg_tables TO {roles}",
        f"GRANT SELECT ON audit.publications, audit.publication_tables TO {roles}",
    ]
