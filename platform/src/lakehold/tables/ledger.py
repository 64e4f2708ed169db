"""The ledger in PostgreSQL: which run has which shadow, and what was published, when, by whom. psycopg only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from lakehold.config.platform import Platform
from lakehold.errors import NotRunningError
from lakehold.tables.metadata import State
from lakehold.tables.shadow import tag_of

_FOLDER_DIGITS = 12

Connection = psycopg.Connection[dict[str, Any]]

_OPTIONS = "-c idle_in_transaction_session_timeout=60s -c lock_timeout=60s"
"""A publisher that stopped moving must not keep everybody else from committing."""


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """A live shadow: ``schemas`` maps each published schema to its shadow.

    ``cloned`` is false while an outside catalog's tables are being cloned, or for ever when that was killed.
    """

    id: uuid.UUID
    run: str
    group: str
    schemas: Mapping[str, str]
    created_at: datetime
    cloned: bool = True

    @property
    def publication(self) -> uuid.UUID:
        """The publication on an outside catalog; a shadow is published once."""
        return uuid.uuid5(self.id, "publish")

    def folder(self, location: str) -> str:
        """Return where new tables go, below the ``location`` of the published schema.

        A folder of this shadow's own: an engine that names a table's folder after the table alone would else put it
        where another run, or somebody else, has one of that name.
        """
        return f"{location.rstrip('/')}/audit-{self.id.hex[:_FOLDER_DIGITS]}"


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A table or view of a live shadow as it was cloned: from the metadata file ``base`` to the file ``clone``."""

    target: str
    shadow: str
    name: str
    kind: str
    base: str
    clone: str
    state: State


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a publication did to one table: ``old`` is ``None`` for a new one, ``new`` for one it took away.

    ``changed`` is false where only the run's tag was added.
    """

    schema: str
    name: str
    changed: bool
    old: str | None
    new: str | None
    old_state: State | None
    new_state: State | None

    @property
    def states(self) -> tuple[State | None, State | None]:
        """What readers saw before and see after."""
        return self.old_state, self.new_state


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One publication (or rollback, or discarded shadow) of one group of a run."""

    id: uuid.UUID
    run: str
    group: str
    kind: str
    at: datetime | None = None
    undoes: uuid.UUID | None = None
    changes: Sequence[Change] = field(default_factory=tuple)

    @property
    def tag(self) -> str:
        """The run's tag."""
        return tag_of(self.run)


def connect(platform: Platform) -> Connection:
    """Connect as the publisher, in autocommit mode; :class:`NotRunningError` when PostgreSQL does not answer."""
    try:
        return psycopg.connect(
            platform.publisher,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=10,
            application_name="lakehold tables",
            options=_OPTIONS,
        )
    except psycopg.OperationalError as error:
        raise NotRunningError(
            "the catalog's database does not answer.", why=str(error).strip(), remedy="lakehold up"
        ) from error


def live(connection: Connection, catalog: str, *, run: str | None = None, group: str | None = None) -> list[Shadow]:
    """Return the live shadows, oldest first: all, those of a run, or the one of a group of a run."""
    rows = connection.execute(
        """
        SELECT s.shadow_id, s.run, s.audit_group, s.created_at, s.cloned,
            jsonb_object_agg(n.target, n.shadow) AS schemas
        FROM audit.shadows s JOIN audit.shadow_schemas n USING (shadow_id)
        WHERE s.catalog_name = %(catalog)s AND (%(run)s::text IS NULL OR s.run = %(run)s)
            AND (%(group)s::text IS NULL OR s.audit_group = %(group)s)
        GROUP BY s.shadow_id ORDER BY s.created_at, s.shadow_id
        """,
        {"catalog": catalog, "run": run, "group": group},
    ).fetchall()
    return [
        Shadow(
            id=row["shadow_id"],
            run=row["run"],
            group=row["audit_group"],
            schemas=row["schemas"],
            created_at=row["created_at"],
            cloned=row["cloned"],
        )
        for row in rows
    ]


def clones(connection: Connection, shadow: Shadow) -> list[Clone]:
    """Return the tables and views of a shadow that are clones, by name."""
    rows = connection.execute(
        "SELECT * FROM audit.shadow_tables WHERE shadow_id = %s ORDER BY target, table_name", (shadow.id,)
    ).fetchall()
    return [
        Clone(
            target=row["target"],
            shadow=row["shadow"],
            name=row["table_name"],
            kind=row["iceberg_type"],
            base=row["base_location"],
            clone=row["clone_location"],
            state=State(**row["base_state"]),
        )
        for row in rows
    ]


def add(connection: Connection, catalog: str, shadow: Shadow, tables: Iterable[Clone]) -> None:
    """Write a new shadow down."""
    connection.execute(
        "INSERT INTO audit.shadows (shadow_id, catalog_name, run, audit_group, cloned) VALUES (%s, %s, %s, %s, %s)",
        (shadow.id, catalog, shadow.run, shadow.group, shadow.cloned),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit.shadow_schemas (shadow_id, catalog_name, target, shadow) VALUES (%s, %s, %s, %s)",
            [(shadow.id, catalog, target, name) for target, name in shadow.schemas.items()],
        )
    _add_clones(connection, catalog, shadow, tables)


def complete(connection: Connection, catalog: str, shadow: Shadow, tables: Iterable[Clone]) -> None:
    """Write down that a shadow is cloned."""
    _add_clones(connection, catalog, shadow, tables)
    connection.execute("UPDATE audit.shadows SET cloned = true WHERE shadow_id = %s", (shadow.id,))


def _add_clones(connection: Connection, catalog: str, shadow: Shadow, tables: Iterable[Clone]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO audit.shadow_tables (shadow_id, catalog_name, target, shadow, table_name, iceberg_type,
                base_location, clone_location, base_state) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (shadow.id, catalog, one.target, one.shadow, one.name, one.kind, one.base, one.clone, _json(one.state))
                for one in tables
            ],
        )


def remove(connection: Connection, shadow: Shadow) -> None:
    """Strike a shadow out: its tables share files no longer, as far as the triggers know."""
    connection.execute("DELETE FROM audit.shadows WHERE shadow_id = %s", (shadow.id,))


def record(connection: Connection, catalog: str, entry: Entry) -> None:
    """Write down what is being done in this transaction."""
    connection.execute(
        """
        INSERT INTO audit.publications (publication_id, catalog_name, run, audit_group, tag, kind, undoes)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (entry.id, catalog, entry.run, entry.group, entry.tag, entry.kind, entry.undoes),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO audit.publication_tables (publication_id, catalog_name, schema_name, table_name,
                changed, old_location, new_location, old_state, new_state) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (entry.id, catalog, one.schema, one.name, one.changed, one.old, one.new, *map(_json, one.states))
                for one in entry.changes
            ],
        )


_ENTRIES = """
    SELECT p.publication_id, p.run, p.audit_group, p.kind, p.happened_at, p.undoes FROM audit.publications p
    WHERE p.catalog_name = %(catalog)s
"""


def entries(connection: Connection, catalog: str, run: str, group: str | None = None) -> list[Entry]:
    """Return what the ledger has on a run, or one group of it, without the tables; newest first."""
    rows = connection.execute(
        _ENTRIES + "AND p.run = %(run)s AND (%(group)s::text IS NULL OR p.audit_group = %(group)s) "
        "ORDER BY p.happened_at DESC",
        {"catalog": catalog, "run": run, "group": group},
    ).fetchall()
    return [_entry(row) for row in rows]


def exists(connection: Connection, id_: uuid.UUID) -> bool:
    """Whether the ledger has the entry."""
    return (
        connection.execute("SELECT 1 FROM audit.publications WHERE publication_id = %s", (id_,)).fetchone() is not None
    )


def changes(connection: Connection, entry: Entry) -> list[Change]:
    """Return what an entry did to each table, by name."""
    rows = connection.execute(
        "SELECT * FROM audit.publication_tables WHERE publication_id = %s ORDER BY schema_name, table_name", (entry.id,)
    ).fetchall()
    return [_change(row) for row in rows]


def of_table(connection: Connection, catalog: str, schema: str, name: str) -> list[Entry]:
    """Return the entries that moved a table, newest first, each with that one change."""
    rows = connection.execute(
        """
        SELECT p.publication_id, p.run, p.audit_group, p.kind, p.happened_at, p.undoes, t.*
        FROM audit.publication_tables t JOIN audit.publications p USING (publication_id)
        WHERE t.catalog_name = %s AND t.schema_name = %s AND t.table_name = %s ORDER BY p.happened_at DESC
        """,
        (catalog, schema, name),
    ).fetchall()
    return [_entry(row, (_change(row),)) for row in rows]


def _entry(row: Mapping[str, Any], changed: Sequence[Change] = ()) -> Entry:
    return Entry(
        id=row["publication_id"],
        run=row["run"],
        group=row["audit_group"],
        kind=row["kind"],
        at=row["happened_at"],
        undoes=row["undoes"],
        changes=changed,
    )


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        schema=row["schema_name"],
        name=row["table_name"],
        changed=row["changed"],
        old=row["old_location"],
        new=row["new_location"],
        old_state=None if row["old_state"] is None else State(**row["old_state"]),
        new_state=None if row["new_state"] is None else State(**row["new_state"]),
    )


def _json(state: State | None) -> Jsonb | None:
    return None if state is None else Jsonb(state.as_json())
