"""Folders that nobody's table lies in any more: of tables that were new in a shadow given up, or were taken back.

No other table's maintenance would find them, so they are written down when the table leaves the catalog, and cleared
when it can no longer be wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lakehold.tables.ledger import Connection

DAYS = 7
"""Days a folder stays; as long as the tags of a run, so that a run taken back can be put in force again."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """A folder, and the table it was to be."""

    folder: str
    schema: str
    table: str
    run: str
    at: datetime | None = None

    @property
    def name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"


def folder_of(metadata_location: str) -> str:
    """Return the folder of the table that has this metadata file; empty where it is not beside its data."""
    return metadata_location.rpartition("/metadata/")[0]


def leave(connection: Connection, catalog: str, found: Iterable[Left]) -> None:
    """Write folders down that are left from now on."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO audit.left_folders (catalog_name, folder, schema_name, table_name, run)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (catalog_name, folder) DO UPDATE
            SET schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, run = EXCLUDED.run,
                left_at = EXCLUDED.left_at
            """,
            [(catalog, one.folder, one.schema, one.table, one.run) for one in found],
        )


def strike(connection: Connection, catalog: str, folders: Iterable[str]) -> None:
    """Strike folders out: they are a table's again, or are cleared."""
    connection.execute(
        "DELETE FROM audit.left_folders WHERE catalog_name = %s AND folder = ANY(%s)", (catalog, list(folders))
    )


def overdue(connection: Connection, catalog: str) -> list[Left]:
    """Return the folders that were left more than :data:`DAYS` ago, the oldest first."""
    rows = connection.execute(
        """
        SELECT folder, schema_name, table_name, run, left_at FROM audit.left_folders
        WHERE catalog_name = %s AND left_at < now() - make_interval(days => %s) ORDER BY left_at, folder
        """,
        (catalog, DAYS),
    ).fetchall()
    return [
        Left(
            folder=row["folder"],
            schema=row["schema_name"],
            table=row["table_name"],
            run=row["run"],
            at=row["left_at"],
        )
        for row in rows
    ]
