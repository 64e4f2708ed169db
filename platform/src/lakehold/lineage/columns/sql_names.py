"""The tables that the names in a statement mean, and the columns they had then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from lakehold.lineage.columns.sql_scope import Relation, Unreadable
from lakehold.lineage.columns.sql_value import Value, joined, of_column, unknown
from lakehold.lineage.graph.names import canonical
from lakehold.lineage.model import Column, Table

_FILE = re.compile(r"(s3[an]?://[^/]+)(/.*)?")
_SPARK_FILES = frozenset({"csv", "json", "parquet", "orc", "avro", "text", "binaryfile", "xml"})
# What Iceberg shows of a table under its name: Spark `silver.flights.snapshots`, Trino `"flights$snapshots"`.
_METADATA_WORDS = """
    history snapshots files manifests partitions refs entries all_data_files all_delete_files all_entries all_files
    all_manifests data_files delete_files metadata_log_entries position_deletes changes properties
"""
_METADATA = frozenset(_METADATA_WORDS.split())
_BRANCH = re.compile(r"(branch|tag)_\w+|(snapshot_id|at_timestamp)_\d+")


@dataclass(slots=True)
class Budget:
    """How much work one statement may be; counted, so that the same statement always has the same answer."""

    left: int

    def spend(self, steps: int) -> None:
        """Take the steps, or say that the statement is too much."""
        self.left -= steps
        if self.left < 0:
            raise Unreadable("the statement is too large to be read")

    def joined(self, values: Iterable[Value]) -> Value:
        """Join values, which costs as much as there is in them."""
        given = list(values)
        self.spend(sum(1 + value.size for value in given))
        return joined(given)


@dataclass(slots=True)
class Tables:
    """The tables of one statement: what their names mean, and which of them it reads."""

    dialect: str
    columns: Mapping[str, Sequence[str]]
    """``schema.table`` → the names of its columns in order."""
    catalog: str
    schema: str
    read: set[Table] = field(default_factory=set)

    def named(self, node: Any) -> Table:
        """Return the table that a name in the statement means."""
        if not isinstance(node, exp.Table):
            raise Unreadable("the statement does not name the table it writes")
        return self._place(parts_of(node, lower=self.dialect == "trino"))[0]

    def relation(self, node: exp.Table) -> Relation:
        """Return the table as rows one can select from, and note that it is read."""
        parts = parts_of(node, lower=self.dialect == "trino")
        table, metadata = self._place(parts)
        if len(parts) == 1 and self.dialect == "spark" and table.name not in self.columns:
            reason = f"{parts[0]} is no table of the catalog (a view of the session?)"
            return Relation((), unknown(reason), reason)
        self.read.add(table)
        if metadata:
            return Relation((), rest=f"{'.'.join(parts)} is about the table, not of its columns")
        names = self.columns_of(table)
        if names is None:
            return Relation((), rest=table)
        return Relation(tuple((name, of_column(Column(table, name))) for name in names))

    def columns_of(self, table: Table) -> Sequence[str] | None:
        """Return the columns the table had, if that is known."""
        return self.columns.get(table.name) if table.namespace == self.catalog else None

    def _place(self, parts: Sequence[str]) -> tuple[Table, bool]:
        """Return the table, and whether the name means what Iceberg shows of it."""
        if self.dialect == "spark" and len(parts) == 2 and parts[0].lower() in _SPARK_FILES:
            return self._file(parts[1]), False
        parts = parts if len(parts) > 1 else [self.schema, *parts]
        if len(parts) == 2:
            name, _, metadata = parts[1].partition("$")
            return self._ours(parts[0], name), bool(metadata)
        if parts[0] == self.catalog:
            name, _, metadata = parts[2].partition("$")
            return self._ours(parts[1], name), bool(metadata) or any(part in _METADATA for part in parts[3:])
        if self.dialect == "spark" and len(parts) == 3 and (parts[2] in _METADATA or _BRANCH.fullmatch(parts[2])):
            return self._ours(parts[0], parts[1]), parts[2] in _METADATA
        return Table(parts[0], ".".join(parts[1:])), False

    def _ours(self, schema: str, name: str) -> Table:
        return canonical(self.catalog, f"{schema}.{name}", self.catalog)

    def _file(self, path: str) -> Table:
        match = _FILE.fullmatch(path)
        return canonical(match[1], match[2] or "", self.catalog) if match else Table("file", path.strip("/"))


def parts_of(node: exp.Table, *, lower: bool = False) -> list[str]:
    """Return the parts of a table's name, the catalog first."""
    if not all(isinstance(part, exp.Identifier) and part.name for part in node.parts):
        raise Unreadable("the name of a table is made when the statement runs")
    return [part.name.lower() if lower else part.name for part in node.parts]
