"""The rows of the JDBC catalog: which tables and views there are, and where their current metadata files are."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.event import unshadowed

_READ = """
SELECT table_namespace, table_name, metadata_location FROM public.iceberg_tables
WHERE catalog_name = %s AND metadata_location IS NOT NULL ORDER BY table_namespace, table_name
"""


@dataclass(frozen=True, order=True, slots=True)
class Name:
    """A table or view of the catalog."""

    schema: str
    table: str

    def __str__(self) -> str:
        """Return ``schema.table``."""
        return f"{self.schema}.{self.table}"

    @property
    def target(self) -> Name:
        """What it will be when its run has published it; itself when it is published already."""
        return Name(unshadowed(self.schema), self.table)

    @property
    def is_shadow(self) -> bool:
        """Whether it is in a run's shadow."""
        return self != self.target


async def read(connection: AsyncConnection[TupleRow], catalog: str) -> dict[Name, str]:
    """Return the metadata file of every table and view; what is published comes before the shadows."""
    rows = await (await connection.execute(_READ, (catalog,))).fetchall()
    found = {Name(schema, table): location for schema, table, location in rows}
    return dict(sorted(found.items(), key=lambda item: (item[0].is_shadow, item[0])))
