"""What a metadata file of Iceberg says that lineage needs: pure functions on its JSON.

Fields are those of Iceberg's table specification, versions 1 to 3, and of its view specification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehold.lineage.event import storable, unshadowed

_NO_SNAPSHOT = -1
_NO_SCHEMA = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A column: ``type`` in Iceberg's words; ``since`` is the earliest time the file knows it from."""

    name: str
    type: str
    position: int
    description: str
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A snapshot of a table, or a version of a view (its operation is ``view``)."""

    id: int
    parent: int | None
    at: datetime
    operation: str
    summary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewText:
    """The SQL of one version of a view, in one dialect; names without a schema are in ``schema``."""

    version: int
    at: datetime
    sql: str
    dialect: str
    schema: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """A table or view, as one metadata file describes it."""

    kind: str
    location: str
    description: str
    fields: Sequence[Field]
    snapshots: Sequence[Snapshot]
    since: datetime
    """The earliest time the file tells of."""
    changed: datetime
    texts: Sequence[ViewText] = ()


def described(metadata: Mapping[str, Any]) -> Described:
    """Read a metadata file's JSON; :class:`ValueError` when it is none."""
    try:
        return _view(metadata) if "view-uuid" in metadata else _table(metadata)
    except (KeyError, TypeError, AttributeError, StopIteration, OverflowError, RecursionError) as problem:
        raise ValueError(f"not the metadata of an Iceberg table: {type(problem).__name__} {problem}") from None


def _table(metadata: Mapping[str, Any]) -> Described:
    snapshots = [_snapshot(one) for one in metadata.get("snapshots") or []]
    changed = _moment(metadata["last-updated-ms"])
    logged = [_moment(entry["timestamp-ms"]) for entry in metadata.get("metadata-log") or []]
    since = min([changed, *logged, *(snapshot.at for snapshot in snapshots)])
    schemas = _schemas(metadata)
    current = schemas[metadata.get("current-schema-id", next(iter(schemas)))]
    ages = _Ages(metadata, schemas, since, changed)
    return Described(
        kind="table",
        location=_place(metadata["location"]),
        description=_comment(metadata),
        fields=[_field(one, place, ages.of(one)) for place, one in enumerate(current)],
        snapshots=snapshots,
        since=since,
        changed=changed,
    )


def _view(metadata: Mapping[str, Any]) -> Described:
    versions = metadata["versions"]
    current = next(one for one in versions if one["version-id"] == metadata["current-version-id"])
    times = [_moment(one["timestamp-ms"]) for one in versions]
    since, changed = min(times), _moment(current["timestamp-ms"])
    columns = _schemas(metadata)[current["schema-id"]]
    return Described(
        kind="view",
        location=_place(metadata["location"]),
        description=_comment(metadata),
        fields=[_field(one, place, since) for place, one in enumerate(columns)],
        snapshots=[
            Snapshot(
                id=int(one["version-id"]),
                parent=None,
                at=_moment(one["timestamp-ms"]),
                operation="view",
                summary=_texts(one.get("summary")),
            )
            for one in versions
        ],
        since=since,
        changed=changed,
        texts=[text for one in versions for text in _view_texts(one)],
    )


def _view_texts(version: Mapping[str, Any]) -> list[ViewText]:
    return [
        ViewText(
            version=int(version["version-id"]),
            at=_moment(version["timestamp-ms"]),
            sql=_text(one["sql"]),
            dialect=_text(one.get("dialect", "")),
            schema=unshadowed(_text(".".join(version.get("default-namespace") or []))),
        )
        for one in version["representations"]
        if one.get("type") == "sql"
    ]


def _schemas(metadata: Mapping[str, Any]) -> dict[int, Sequence[Mapping[str, Any]]]:
    """Return the columns of each schema; the first version of the format may have one schema without a number."""
    schemas = metadata.get("schemas") or [metadata["schema"]]
    return {int(one.get("schema-id", 0)): one["fields"] for one in schemas}


class _Ages:
    """Since when a column is known by its name. A snapshot says which schema it was written with."""

    def __init__(
        self,
        metadata: Mapping[str, Any],
        schemas: Mapping[int, Sequence[Mapping[str, Any]]],
        since: datetime,
        changed: datetime,
    ) -> None:
        self._since, self._changed = since, changed
        self._columns = {key: {(one["id"], one["name"]) for one in fields} for key, fields in schemas.items()}
        self._written: dict[int, datetime] = {}
        for one in metadata.get("snapshots") or []:
            schema, at = one.get("schema-id", _NO_SCHEMA), _moment(one["timestamp-ms"])
            self._written[schema] = min(at, self._written.get(schema, at))

    def of(self, column: Mapping[str, Any]) -> datetime:
        """Return the table's age when every schema has the column, else that of its first snapshot."""
        key = column["id"], column["name"]
        having = [schema for schema, columns in self._columns.items() if key in columns]
        if len(having) == len(self._columns):
            return self._since
        return min((self._written[schema] for schema in having if schema in self._written), default=self._changed)


def _field(column: Mapping[str, Any], place: int, since: datetime) -> Field:
    return Field(
        name=_text(column["name"]),
        type=type_text(column["type"]),
        position=place,
        description=_text(column.get("doc") or ""),
        since=since,
    )


def type_text(kind: Any) -> str:
    """Return a type as text: ``decimal(9,2)``, ``list<int>``, ``map<string, int>``, ``struct<a: int, b: date>``."""
    if isinstance(kind, str):
        return _text(kind).replace(" ", "")
    if kind["type"] == "list":
        return f"list<{type_text(kind['element'])}>"
    if kind["type"] == "map":
        return f"map<{type_text(kind['key'])}, {type_text(kind['value'])}>"
    members = (f"{_text(one['name'])}: {type_text(one['type'])}" for one in kind["fields"])
    return f"struct<{', '.join(members)}>"


def _snapshot(one: Mapping[str, Any]) -> Snapshot:
    summary = _texts(one.get("summary"))
    parent = one.get("parent-snapshot-id")
    return Snapshot(
        id=int(one["snapshot-id"]),
        parent=None if parent in (None, _NO_SNAPSHOT) else int(parent),
        at=_moment(one["timestamp-ms"]),
        operation=summary.get("operation", ""),
        summary=summary,
    )


def _texts(summary: Mapping[str, Any] | None) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in (summary or {}).items()}


def _comment(metadata: Mapping[str, Any]) -> str:
    return _text((metadata.get("properties") or {}).get("comment") or "")


def _text(value: Any) -> str:
    return storable(str(value))


def _place(location: str) -> str:
    """Return ``s3://bucket/path`` as events name it: one scheme, no slash at the end."""
    return re.sub(r"^s3[an]://", "s3://", location).rstrip("/")


def _moment(milliseconds: Any) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(milliseconds))
