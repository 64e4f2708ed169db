"""A JDBC catalog's rows in PostgreSQL: read, cloned, moved under a guard, and removed, many tables a statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakehold.tables.ledger import Connection

Name = tuple[str, str]
"""Schema and table."""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Where the current metadata file of a table or view is; ``kind`` is ``TABLE`` or ``VIEW``."""

    location: str
    kind: str = "TABLE"


@dataclass(frozen=True, kw_only=True)
class Move:
    """A table's way from ``old`` to ``new``; without ``old`` it must not be there yet, without ``new`` it goes."""

    schema: str
    name: str
    old: Pointer | None
    new: Pointer | None


_READ = """
    SELECT table_namespace, table_name, metadata_location, coalesce(iceberg_type, 'TABLE') AS kind
    FROM public.iceberg_tables WHERE catalog_name = %s AND table_namespace = ANY(%s)
    ORDER BY table_namespace, table_name
"""


def read(connection: Connection, catalog: str, schemas: Collection[str], lock: str = "") -> dict[Name, Pointer]:
    """Return all tables and views of the schemas; ``lock`` (``SHARE``, ``UPDATE``) locks the rows, in sorted order."""
    statement = f"{_READ} FOR {lock}" if lock else _READ
    rows = connection.execute(statement.encode(), (catalog, list(schemas))).fetchall()
    return {
        (row["table_namespace"], row["table_name"]): Pointer(location=row["metadata_location"], kind=row["kind"])
        for row in rows
    }


def schemas(connection: Connection, catalog: str, ending: str) -> list[str]:
    """Return the names of the schemas that end so, sorted; also of one that has tables and is not there itself."""
    rows = connection.execute(
        """
        SELECT namespace FROM public.iceberg_namespace_properties
        WHERE catalog_name = %(catalog)s AND right(namespace, length(%(ending)s)) = %(ending)s
        UNION SELECT table_namespace FROM public.iceberg_tables
        WHERE catalog_name = %(catalog)s AND right(table_namespace, length(%(ending)s)) = %(ending)s
        ORDER BY namespace
        """,
        {"catalog": catalog, "ending": ending},
    ).fetchall()
    return [row["namespace"] for row in rows]


def location_of_schema(connection: Connection, catalog: str, schema: str, warehouse: str) -> str | None:
    """Return the folder of a schema's tables, where engines would put them; ``None`` when there is no such schema."""
    row = connection.execute(
        """
        SELECT count(*) AS properties, max(property_value) FILTER (WHERE property_key = 'location') AS location
        FROM public.iceberg_namespace_properties WHERE catalog_name = %s AND namespace = %s
        """,
        (catalog, schema),
    ).fetchone()
    if row is None or not row["properties"]:
        return None
    return str(row["location"] or f"{warehouse.rstrip('/')}/{schema}")


def add_schema(connection: Connection, catalog: str, schema: str, properties: Mapping[str, str]) -> None:
    """Make a schema."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.iceberg_namespace_properties VALUES (%s, %s, %s, %s)",
            [(catalog, schema, key, value) for key, value in properties.items()],
        )


def remove_schemas(connection: Connection, catalog: str, schemas: Collection[str]) -> None:
    """Remove schemas with all their tables from the catalog; files stay where they are."""
    for table, column in (("iceberg_tables", "table_namespace"), ("iceberg_namespace_properties", "namespace")):
        statement = f"DELETE FROM public.{table} WHERE catalog_name = %s AND {column} = ANY(%s)"  # noqa: S608 - ours
        connection.execute(statement.encode(), (catalog, list(schemas)))


def move(connection: Connection, catalog: str, moves: Sequence[Move]) -> bool:
    """Make all moves; ``False`` if one found its table elsewhere: then roll the transaction back."""
    ordered = sorted(moves, key=lambda one: (one.schema, one.name))
    groups = (
        (_UPDATE, [one for one in ordered if one.old and one.new]),
        (_INSERT, [one for one in ordered if not one.old]),
        (_DELETE, [one for one in ordered if not one.new]),
    )
    for statement, group in groups:
        if group and connection.execute(statement, _columns(catalog, group)).rowcount != len(group):
            return False
    return True


_ROWS = "unnest(%(schemas)s::text[], %(names)s::text[], %(old)s::text[], %(new)s::text[], %(kinds)s::text[])"
_UPDATE = f"""
    UPDATE public.iceberg_tables t
    SET metadata_location = m.new, previous_metadata_location = m.old, iceberg_type = m.kind
    FROM {_ROWS} AS m (schema, name, old, new, kind)
    WHERE t.catalog_name = %(catalog)s AND t.table_namespace = m.schema AND t.table_name = m.name
        AND t.metadata_location = m.old
""".encode()  # noqa: S608 - made of constants
_INSERT = f"""
    INSERT INTO public.iceberg_tables
    SELECT %(catalog)s, m.schema, m.name, m.new, NULL, m.kind FROM {_ROWS} AS m (schema, name, old, new, kind)
    ORDER BY m.schema, m.name ON CONFLICT DO NOTHING
""".encode()  # noqa: S608 - made of constants
_DELETE = f"""
    DELETE FROM public.iceberg_tables t USING {_ROWS} AS m (schema, name, old, new, kind)
    WHERE t.catalog_name = %(catalog)s AND t.table_namespace = m.schema AND t.table_name = m.name
        AND t.metadata_location = m.old
""".encode()  # noqa: S608 - made of constants


def _columns(catalog: str, moves: Iterable[Move]) -> dict[str, object]:
    rows = list(moves)
    return {
        "catalog": catalog,
        "schemas": [one.schema for one in rows],
        "names": [one.name for one in rows],
        "old": [one.old.location if one.old else None for one in rows],
        "new": [one.new.location if one.new else None for one in rows],
        "kinds": [(one.new or one.old or Pointer(location="")).kind for one in rows],
    }
