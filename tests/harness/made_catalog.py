"""A JDBC catalog with tables of handmade metadata, in a real PostgreSQL and a real object store."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
from lakehold.components.objectstore_users import client
from lakehold.tables.catalog import s3_endpoint

BUCKET = "lakehouse"


@dataclass
class MadeTable:
    """A table: its metadata as Iceberg writes it, and where its current file is."""

    name: str
    metadata: dict[str, Any]
    location: str = ""
    version: int = 0

    @property
    def place(self) -> str:
        return str(self.metadata["location"])

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        return self.metadata["snapshots"]  # type: ignore[no-any-return]


@dataclass
class MadeCatalog:
    """Writes as the engines do: a metadata file with the user ``engine``, then the pointer with the role ``engine``."""

    lab: Any
    tables: dict[str, MadeTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        site = self.lab.site
        self.s3 = client(s3_endpoint(site), "engine", site.secrets["s3.engine"])

    def connect(self, role: str = "engine") -> psycopg.Connection:
        site = self.lab.site
        return psycopg.connect(
            host=site.host,
            port=site.ports["postgres"],
            dbname="catalog",
            user=role,
            password=site.secrets[f"postgres.{role}"],
            autocommit=True,
        )

    def create(self, name: str, columns: dict[str, str], *, comment: str = "") -> MadeTable:
        """Make an empty table; ``columns`` name → type in Iceberg's words."""
        schema, table = name.split(".")
        fields = [
            {"id": place, "name": column, "type": kind, "required": False, "doc": f"The {column}"}
            for place, (column, kind) in enumerate(columns.items(), start=1)
        ]
        made = MadeTable(
            name,
            {
                "format-version": 2,
                "table-uuid": str(uuid.uuid4()),
                "location": f"s3://{BUCKET}/{schema.partition('__audit_')[0]}/{table}-{uuid.uuid4().hex}",
                "last-updated-ms": _now(),
                "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
                "current-schema-id": 0,
                "properties": {"comment": comment} if comment else {},
                "current-snapshot-id": -1,
                "snapshots": [],
                "metadata-log": [],
            },
        )
        self.tables[name] = made
        self.write(made)
        return made

    def view(self, name: str, sql: str, columns: list[str], *, days_ago: int = 0) -> MadeTable:
        """Make a view of Trino."""
        schema, table = name.split(".")
        fields = [
            {"id": place, "name": one, "type": "string", "required": False} for place, one in enumerate(columns, 1)
        ]
        version = {
            "version-id": 1,
            "timestamp-ms": _now() - days_ago * 86_400_000,
            "schema-id": 0,
            "summary": {"engine-name": "trino", "engine-version": "476"},
            "default-catalog": BUCKET,
            "default-namespace": [schema],
            "representations": [{"type": "sql", "sql": sql, "dialect": "trino"}],
        }
        made = MadeTable(
            name,
            {
                "view-uuid": str(uuid.uuid4()),
                "format-version": 1,
                "location": f"s3://{BUCKET}/{schema}/{table}-{uuid.uuid4().hex}",
                "schemas": [{"type": "struct", "schema-id": 0, "fields": fields}],
                "current-version-id": 1,
                "versions": [version],
                "properties": {},
            },
        )
        self.tables[name] = made
        self.write(made, kind="VIEW")
        return made

    def commit(self, name: str, rows: int = 10, operation: str = "append", *, days_ago: int = 0, **summary: str) -> int:
        """Commit a snapshot with what its writer says of itself; return its id."""
        table = self.tables[name]
        id_, now = secrets.randbits(62), _now() - days_ago * 86_400_000
        added = {"added-records": str(rows), "added-data-files": "1"} if rows else {}
        parent = table.metadata["current-snapshot-id"]
        table.snapshots.append(
            {
                "snapshot-id": id_,
                **({"parent-snapshot-id": parent} if parent != -1 else {}),
                "timestamp-ms": now,
                "schema-id": table.metadata["current-schema-id"],
                "summary": {
                    "operation": operation,
                    **added,
                    **{key.replace("__", "."): v for key, v in summary.items()},
                },
            }
        )
        table.metadata |= {"current-snapshot-id": id_, "last-updated-ms": now}
        self.write(table)
        return id_

    def clone(self, name: str, shadow: str) -> MadeTable:
        """Register the table in a shadow schema, as a clone does."""
        made = MadeTable(shadow, json.loads(json.dumps(self.tables[name].metadata)))
        self.tables[shadow] = made
        self.write(made)
        return made

    def publish(self, shadow: str, name: str) -> None:
        """Move the pointer of the published table to what its shadow has, and take the shadow away."""
        made = self.tables.pop(shadow)
        with self.connect("publisher") as connection:
            connection.execute(_DELETE, shadow.split("."))
            connection.execute(_DELETE, name.split("."))
        self.tables[name] = MadeTable(name, made.metadata, version=made.version)
        self.write(self.tables[name])

    def drop(self, name: str) -> None:
        """Take the table out of the catalog."""
        with self.connect() as connection:
            connection.execute(_DELETE, name.split("."))

    def write(self, table: MadeTable, kind: str = "TABLE") -> None:
        """Write the metadata's next version and point to it."""
        key = f"{table.place.removeprefix(f's3://{BUCKET}/')}/metadata/{table.version:05}-{uuid.uuid4()}.metadata.json"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(table.metadata).encode())
        table.version += 1
        old, table.location = table.location, f"s3://{BUCKET}/{key}"
        with self.connect() as connection:
            if old:
                connection.execute(
                    "UPDATE iceberg_tables SET metadata_location = %s WHERE metadata_location = %s",
                    (table.location, old),
                )
            else:
                connection.execute(
                    "INSERT INTO iceberg_tables VALUES ('lakehouse', %s, %s, %s, NULL, %s)",
                    (*table.name.split("."), table.location, kind),
                )


_DELETE = "DELETE FROM iceberg_tables WHERE table_namespace = %s AND table_name = %s"


def _now() -> int:
    return time.time_ns() // 1_000_000
