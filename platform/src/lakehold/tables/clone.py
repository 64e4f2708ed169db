"""Clones schemas of a JDBC catalog into a run's shadows, and gives a shadow up, without copying or deleting data."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

import psycopg

from lakehold.config.platform import Platform
from lakehold.errors import BusyError, ConfigError, ConflictError
from lakehold.tables import guard, ledger, metadata, pointers, views
from lakehold.tables.files import Files, each
from lakehold.tables.ledger import Clone, Connection, Entry, Shadow
from lakehold.tables.pointers import Name, Pointer
from lakehold.tables.shadow import Audit

BESIDE = None
"""For ``wait``: go ahead although another run has a shadow of the same schemas; the first to publish wins."""

_POLL_SECONDS = 0.5
_ROUNDS = 20
"""How often a table that others are committing to is cloned again before we say so."""

Maker = Callable[[Connection, Audit, Collection[str]], Shadow]


def clone(platform: Platform, audit: Audit, schemas: Collection[str], *, wait: float | None) -> Shadow:
    """Make the run's shadow of ``schemas``; a shadow it has already is given up for it.

    Waits up to ``wait`` seconds for another run's shadow of the same schemas to go (``BESIDE``: does not mind it), then
    raises :class:`BusyError` naming that run.
    """
    return claimed(platform, audit, schemas, wait, lambda *made: _make(platform, Files(platform.catalog), *made))


def claimed(platform: Platform, audit: Audit, schemas: Collection[str], wait: float | None, make: Maker) -> Shadow:
    """Run ``make`` in a transaction that has the schemas to itself, once no other run has a shadow of them."""
    catalog, deadline = platform.catalog["name"], time.monotonic() + (wait or 0)
    with ledger.connect(platform) as connection:
        while True:
            with connection.transaction():
                patience = max(0.0, deadline - time.monotonic())
                alone = guard.claim(connection, schemas, wait=None if wait is BESIDE else patience)
                others = _others(connection, catalog, audit, schemas)
                if alone and (wait is BESIDE or not others):
                    return make(connection, audit, schemas)
            if time.monotonic() >= deadline:
                raise _busy(others)
            time.sleep(_POLL_SECONDS)


def _others(connection: Connection, catalog: str, audit: Audit, schemas: Collection[str]) -> list[Shadow]:
    return [
        shadow
        for shadow in ledger.live(connection, catalog)
        if not set(schemas).isdisjoint(shadow.schemas) and (shadow.run, shadow.group) != (audit.run, audit.group)
    ]


def _busy(others: Sequence[Shadow]) -> BusyError:
    if not others:
        return BusyError(
            "maintenance is working on a table of these schemas.",
            why="a table is not cloned while it is being rewritten",
            remedy="try again in a few minutes",
        )
    first = others[0]
    return BusyError(
        f'run "{first.run}" (group {first.group}) has a shadow of {", ".join(sorted(first.schemas))}.',
        why=f"it was cloned at {first.created_at:%Y-%m-%d %H:%M:%S %Z} and is not published yet",
        remedy=f"wait until it is, or if that run is over: lakehold tables discard '{first.run}'",
    )


def _make(platform: Platform, files: Files, connection: Connection, audit: Audit, schemas: Collection[str]) -> Shadow:
    catalog = platform.catalog["name"]
    for older in ledger.live(connection, catalog, run=audit.run, group=audit.group):
        forget(connection, catalog, older)
    # Made anew by an engine that wrote after the shadow was published or given up.
    pointers.remove_schemas(connection, catalog, pointers.schemas(connection, catalog, audit.ending))
    shadow = Shadow(
        id=uuid.uuid4(),
        run=audit.run,
        group=audit.group,
        schemas={schema: audit.schema(schema) for schema in sorted(set(schemas))},
        created_at=datetime.now(UTC),
    )
    for target, name in shadow.schemas.items():
        location = pointers.location_of_schema(connection, catalog, target, platform.catalog.get("warehouse", ""))
        if location is None:
            raise ConfigError(f'there is no schema "{target}".', remedy='lakehold sql "show schemas"')
        # Trino and pyiceberg put new tables below the schema's location; Spark has to be told where.
        pointers.add_schema(connection, catalog, name, {"exists": "true", "location": location})
    tables = _settled(connection, catalog, files, shadow)
    moves = [
        pointers.Move(schema=one.shadow, name=one.name, old=None, new=Pointer(location=one.clone, kind=one.kind))
        for one in tables
    ]
    if not pointers.move(connection, catalog, moves):
        raise ConflictError("the shadow schema has tables already.", remedy="clone again")
    ledger.add(connection, catalog, shadow, tables)
    return shadow


def _settled(connection: Connection, catalog: str, files: Files, shadow: Shadow) -> list[Clone]:
    """Write the clones' files, again for tables that moved meanwhile, until all are as they are now, and locked so.

    The lock also holds back whoever drops a table right now: the triggers refuse it once the clone is there.
    """
    made: dict[tuple[Name, Pointer], Clone] = {}
    for _ in range(_ROUNDS):
        found = pointers.read(connection, catalog, list(shadow.schemas))
        missing = [item for item in found.items() if item not in made]
        made |= zip(missing, each(lambda item: _cloned(files, catalog, shadow, *item), missing), strict=True)
        with connection.transaction() as attempt:
            locked = pointers.read(connection, catalog, list(shadow.schemas), lock="SHARE")
            if all(item in made for item in locked.items()):
                return [made[item] for item in locked.items()]
            # Gives the locks back, so that whoever is waiting for one can commit.
            raise psycopg.Rollback(attempt)
    raise BusyError("tables of these schemas change faster than they can be cloned.", remedy="try again later")


def _cloned(files: Files, catalog: str, shadow: Shadow, name: Name, pointer: Pointer) -> Clone:
    schema, table = name
    base = files.read(pointer.location)
    if pointer.kind == "VIEW":
        written = files.write(views.rewritten(base, shadow.schemas, catalog), pointer.location)
    else:
        written = files.write(metadata.guarded(base, pointer.location, now()), pointer.location)
    return Clone(
        target=schema,
        shadow=shadow.schemas[schema],
        name=table,
        kind=pointer.kind,
        base=pointer.location,
        clone=written,
        state=metadata.state_of(base, pointer.kind),
    )


def discard(platform: Platform, run: str, group: str | None = None, *, dry_run: bool = False) -> list[Shadow]:
    """Give the shadows of a run, or of one group of it, up; returns them. No file that anybody else has is deleted."""
    catalog = platform.catalog["name"]
    with ledger.connect(platform) as connection:
        found = ledger.live(connection, catalog, run=run, group=group)
        if dry_run:
            return found
        for shadow in found:
            with connection.transaction():
                guard.claim(connection, shadow.schemas)
                # A publication may have been faster.
                if ledger.live(connection, catalog, run=shadow.run, group=shadow.group):
                    forget(connection, catalog, shadow)
                    entry = Entry(id=uuid.uuid4(), run=shadow.run, group=shadow.group, kind="discard")
                    ledger.record(connection, catalog, entry)
        return found


def left_behind(platform: Platform, run: str, group: str | None = None) -> list[str]:
    """Return the folders of tables that only the run's shadows have: no other table's maintenance would clear them."""
    catalog = platform.catalog["name"]
    with ledger.connect(platform) as connection:
        found: set[str] = set()
        for shadow in ledger.live(connection, catalog, run=run, group=group):
            cloned = {(one.shadow, one.name) for one in ledger.clones(connection, shadow)}
            tables = pointers.read(connection, catalog, list(shadow.schemas.values()))
            new = [pointer for name, pointer in tables.items() if name not in cloned and pointer.kind == "TABLE"]
            found |= {pointer.location.rpartition("/metadata/")[0] for pointer in new}
    return sorted(found - {""})


def forget(connection: Connection, catalog: str, shadow: Shadow) -> None:
    """Take a shadow out of the catalog and the ledger; its files are left to the removal of orphans."""
    ledger.remove(connection, shadow)
    pointers.remove_schemas(connection, catalog, list(shadow.schemas.values()))


def now() -> int:
    """Return the time as Iceberg writes it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def mapping_back(shadow: Shadow) -> Mapping[str, str]:
    """Return shadow schema → published schema."""
    return {name: target for target, name in shadow.schemas.items()}
