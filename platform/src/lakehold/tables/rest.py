"""Clone and discard on an Iceberg REST catalog: metadata files registered under the shadow's name, no data copied.

Publishing is :mod:`lakehold.tables.rest_publish`, taking back :mod:`lakehold.tables.rest_rollback`. No catalog can be
told to refuse a DROP of a table whose files another shares, as our own does. So a clone has manifests of its own
(:mod:`lakehold.tables.rest_private`), and says ``gc.enabled=false``: then Iceberg spares the data files when it is
purged, and Spark and the maintenance of all engines refuse to touch it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from lakehold.config.platform import Platform
from lakehold.errors import ConfigError, ConflictError
from lakehold.tables import clone as cloning
from lakehold.tables import guard, leavings, ledger, views
from lakehold.tables.files import each
from lakehold.tables.leavings import Left
from lakehold.tables.ledger import Clone, Connection, Entry, Shadow
from lakehold.tables.metadata import state_of
from lakehold.tables.rest_client import Found, RestClient
from lakehold.tables.rest_look import reserved
from lakehold.tables.rest_private import Privately
from lakehold.tables.shadow import Audit


def clone(platform: Platform, audit: Audit, schemas: Collection[str], *, wait: float | None) -> Shadow:
    """Make the run's shadow of ``schemas``, like :func:`lakehold.tables.clone.clone`, with the same errors."""
    client = RestClient(platform.catalog)
    return cloning.claimed(platform, audit, schemas, wait, partial(_make, platform, client), _holding)


def _holding(connection: Connection, schemas: Collection[str], wait: float | None) -> AbstractContextManager[bool]:
    return guard.claiming(connection, schemas, wait=wait)


def discard(platform: Platform, run: str, group: str | None = None, *, dry_run: bool = False) -> list[Shadow]:
    """Give the shadows of a run, or of one group of it, up; returns them. No file is deleted.

    One that was published, by a publisher that was killed before it could say so or clear up, is written down so, and
    cleared.
    """
    with ledger.connect(platform) as connection:
        found = ledger.live(connection, platform.catalog["name"], run=run, group=group)
        if dry_run or not found:
            return found
        client = RestClient(platform.catalog)
        for shadow in found:
            with guard.claiming(connection, shadow.schemas):
                _discard(platform, client, connection, shadow)
    return found


def _discard(platform: Platform, client: RestClient, connection: Connection, shadow: Shadow) -> None:
    catalog = platform.catalog["name"]
    live = ledger.live(connection, catalog, run=shadow.run, group=shadow.group)
    # A publication may have been faster.
    if shadow.id in [one.id for one in live] and not _given_up(platform, client, connection, shadow):
        entry = Entry(id=uuid.uuid4(), run=shadow.run, group=shadow.group, kind="discard")
        ledger.record(connection, catalog, entry)


def _given_up(platform: Platform, client: RestClient, connection: Connection, shadow: Shadow) -> bool:
    """Take a shadow out of the catalog and the ledger; whether it was published before, which is then on record."""
    from lakehold.tables.rest_publish import finished

    published = finished(platform, connection, client, shadow)
    if not published:
        leavings.leave(connection, platform.catalog["name"], left_in(client, connection, shadow))
    forget(client, shadow)
    ledger.remove(connection, shadow)
    return published


def left_behind(platform: Platform, run: str, group: str | None = None) -> list[str]:
    """Return the folders of tables that only the run's shadows have."""
    with ledger.connect(platform) as connection:
        shadows = ledger.live(connection, platform.catalog["name"], run=run, group=group)
        if not shadows:
            return []
        client = RestClient(platform.catalog)
        return sorted({left.folder for shadow in shadows for left in left_in(client, connection, shadow)})


def left_in(client: RestClient, connection: Connection, shadow: Shadow) -> list[Left]:
    """Return the folders of tables that only the shadow has; one it shares with the published one is that one's."""
    cloned = {(one.shadow, one.name) for one in ledger.clones(connection, shadow)}
    names = [(target, name, table) for target, name in shadow.schemas.items() for table in client.tables(name)]
    new = [one for one in names if one[1:] not in cloned]
    found = each(lambda one: (client.load(one[0], one[2]), client.load(one[1], one[2])), new)
    # A table that is only reserved for this one leaves with it.
    pairs = [(None if theirs is None or reserved(theirs) else theirs, own) for theirs, own in found]
    folders = [[leavings.folder_of(one.location) if one else "" for one in pair] for pair in pairs]
    return [
        Left(folder=own, schema=target, table=table, run=shadow.run)
        for (target, _, table), (published, own) in zip(new, folders, strict=True)
        if own not in ("", published)
    ]


def forget(client: RestClient, shadow: Shadow) -> None:
    """Take a shadow out of the catalog, and what its publication left half-done."""
    tables = [(target, schema, table) for target, schema in shadow.schemas.items() for table in client.tables(schema)]
    each(lambda one: _forget(client, *one, shadow), tables)
    for schema in shadow.schemas.values():
        for view in client.views(schema):
            client.forget_view(schema, view)
        client.drop_schema(schema)


def _forget(client: RestClient, target: str, schema: str, table: str, shadow: Shadow) -> None:
    release(client, target, table, shadow)
    client.forget(schema, table)


def release(client: RestClient, target: str, table: str, shadow: Shadow) -> None:
    """Forget a table that the publication of the shadow reserved and never filled."""
    found = client.load(target, table)
    if found is not None and reserved(found) == shadow.schemas[target]:
        client.forget(target, table)


def _make(
    platform: Platform, client: RestClient, connection: Connection, audit: Audit, schemas: Collection[str]
) -> Shadow:
    catalog = platform.catalog["name"]
    shadow = Shadow(
        id=uuid.uuid4(),
        run=audit.run,
        group=audit.group,
        schemas={schema: audit.schema(schema) for schema in sorted(set(schemas))},
        created_at=datetime.now(UTC),
        cloned=False,
    )
    locations = {target: _location(client, target) for target in shadow.schemas}
    for older in ledger.live(connection, catalog, run=audit.run, group=audit.group):
        _given_up(platform, client, connection, older)
    # Made anew by an engine that wrote after the shadow was published or given up.
    leavings.leave(connection, catalog, left_in(client, connection, shadow))
    forget(client, shadow)
    # Written down first: whoever is killed from here on has left a shadow that is listed and can be given up.
    with connection.transaction():
        ledger.add(connection, catalog, shadow, [])
    try:
        clones = _filled(platform, client, shadow, locations)
    except Exception:
        forget(client, shadow)
        ledger.remove(connection, shadow)
        raise
    with connection.transaction():
        ledger.complete(connection, catalog, shadow, clones)
    return replace(shadow, cloned=True)


def _location(client: RestClient, schema: str) -> str | None:
    properties = client.schema_properties(schema)
    if properties is None:
        raise ConfigError(f'there is no schema "{schema}".', remedy='lakehold sql "show schemas"')
    return properties.get("location")


def _filled(platform: Platform, client: RestClient, shadow: Shadow, locations: Mapping[str, str | None]) -> list[Clone]:
    """Make the schemas of the shadow and what is in them."""
    clones: list[Clone] = []
    for target, name in shadow.schemas.items():
        location = locations[target]
        client.ensure_schema(name, {"location": shadow.folder(location)} if location else {})
        clones += _tables(client, Privately(platform.catalog), target, name)
        clones += _views(client, target, name, shadow, platform.catalog["name"])
    return clones


def _tables(client: RestClient, privately: Privately, target: str, schema: str) -> list[Clone]:
    tables = client.tables(target)
    found = zip(tables, each(lambda table: client.load(target, table), tables), strict=True)
    originals = [(table, one) for table, one in found if one is not None and not reserved(one)]
    locations = each(lambda one: privately.cloned(f"{target}.{one[0]}", one[1]), originals)
    wanted = [(table, original, location) for (table, original), location in zip(originals, locations, strict=True)]
    return each(lambda one: _registered(client, target, schema, *one), wanted)


def _registered(client: RestClient, target: str, schema: str, table: str, original: Found, location: str) -> Clone:
    registered = client.register(schema, table, location)
    if registered is None:
        raise ConflictError(f"{schema} has a table {table} already.", remedy="clone again")
    return _cloned(target, schema, table, original, registered, "TABLE")


def _views(client: RestClient, target: str, schema: str, shadow: Shadow, catalog: str) -> list[Clone]:
    made = []
    for view in client.views(target):
        found = client.load_view(target, view)
        if found is not None:
            rewritten = client.put_view(schema, view, views.rewritten(found.metadata, shadow.schemas, catalog))
            made.append(_cloned(target, schema, view, found, rewritten, "VIEW"))
    return made


def _cloned(target: str, schema: str, name: str, found: Found, made: Found, kind: str) -> Clone:
    return Clone(
        target=target,
        shadow=schema,
        name=name,
        kind=kind,
        base=found.location,
        clone=made.location,
        state=state_of(found.metadata, kind),
    )
