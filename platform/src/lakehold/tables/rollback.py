"""Takes a run's publication back whole, or one table to what it was; guarded like a publication.

A table goes back by its references: the snapshot (with schema, partitioning and properties) that was current before
becomes current again, in a new metadata file. Nothing is deleted, so a rollback can be taken back as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from lakehold.config.platform import Platform
from lakehold.errors import ConflictError, DataError
from lakehold.tables import clone as cloning
from lakehold.tables import guard, leavings, ledger, metadata, pointers, views
from lakehold.tables.faster import who
from lakehold.tables.files import Files, Metadata, each
from lakehold.tables.history import state_at
from lakehold.tables.leavings import Left
from lakehold.tables.ledger import Change, Connection, Entry
from lakehold.tables.metadata import State
from lakehold.tables.pointers import Move, Name, Pointer
from lakehold.tables.publish import DAY, TAG_DAYS
from lakehold.tables.settle import settled

Side = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A table and what it is to be: ``to`` in the metadata file ``location`` (``None``: it is to go).

    ``expected`` is what it must still be, with ``since`` its file; ``None`` if it may be anything. ``instead_of`` has
    the properties that go. ``untag`` and ``tag`` are the run's tag, to go or to come back with the one on ``before``,
    the snapshot from before the run. ``begun``: this may be the rest of a rollback that was killed.
    """

    schema: str
    name: str
    to: State | None
    location: str | None = None
    expected: State | None = None
    since: str | None = None
    instead_of: State | None = None
    untag: str = ""
    tag: str = ""
    before: int | None = None
    begun: bool = False

    @property
    def full_name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a rollback did, or would do, to one table."""

    table: str
    action: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A wish with the table as it was found: what to write, or why it cannot be."""

    wish: Wish
    found: Pointer | None
    action: str = ""
    made: Metadata | None = None
    pointer: Pointer | None = None
    conflict: bool = False
    missing: str = ""


def run_back(platform: Platform, run: str, side: Side = "before", *, dry_run: bool = False) -> list[Outcome]:
    """Bring every table that ``run`` published back to what it was before it, or (``after``) to what it published.

    Of a run that published a group several times the last publication counts. A table that was new leaves the catalog,
    its files stay. Raises :class:`ConflictError` when a table has changed since: then none is brought back.
    """
    catalog, files = platform.catalog["name"], Files(platform.catalog)
    with ledger.connect(platform) as connection:
        latest: dict[str, Entry] = {}
        known = [entry for entry in ledger.entries(connection, catalog, run) if entry.kind != "discard"]
        for entry in known:
            if entry.kind == "publish":
                latest.setdefault(entry.group, entry)
        if not latest:
            raise DataError(f'no run "{run}" has published anything.', remedy="lakehold tables history TABLE")
        begun = known[0].kind == "publish"
        wishes = [
            _before(change, entry.tag, begun=begun) if side == "before" else _after(change, entry.tag)
            for entry in latest.values()
            for change in ledger.changes(connection, entry)
            if change.changed
        ]
        undoes = next(iter(latest.values())).id if len(latest) == 1 else None
        entry = Entry(id=uuid.uuid4(), run=run, group=", ".join(sorted(latest)), kind="rollback", undoes=undoes)
        return _bring(platform, connection, files, wishes, entry, dry_run=dry_run)


def _before(change: Change, tag: str, *, begun: bool) -> Wish:
    return Wish(
        schema=change.schema,
        name=change.name,
        to=change.old_state,
        location=change.old,
        expected=change.new_state or State(kind="NONE"),
        since=change.new,
        instead_of=change.new_state,
        untag=tag,
        begun=begun,
    )


def _after(change: Change, tag: str) -> Wish:
    return Wish(
        schema=change.schema,
        name=change.name,
        to=change.new_state,
        location=change.new,
        instead_of=change.old_state,
        tag=tag,
        before=change.old_state.snapshot if change.old_state else None,
    )


def table_back(platform: Platform, table: str, to: str, *, dry_run: bool = False) -> list[Outcome]:
    """Bring one table (``schema.table``) to a snapshot's id, a time (ISO 8601, UTC) or what a run published."""
    catalog, files = platform.catalog["name"], Files(platform.catalog)
    schema, _, name = table.partition(".")
    with ledger.connect(platform) as connection:
        found = _catalog(platform, connection).read([schema]).get((schema, name))
        if found is None or found.kind != "TABLE":
            raise DataError(f"there is no table {table}.", remedy=f'lakehold sql "show tables from {schema}"')
        state = state_at(connection, catalog, (schema, name), files.read(found.location), to)
        entry = Entry(id=uuid.uuid4(), run=f"{table} to {to}", group="", kind="rollback")
        wish = Wish(schema=schema, name=name, to=state)
        return _bring(platform, connection, files, [wish], entry, dry_run=dry_run)


class _Rows:
    """The JDBC catalog: all tables move in the transaction of the connection."""

    def __init__(self, connection: Connection, catalog: str) -> None:
        self._connection = connection
        self._catalog = catalog

    def read(self, schemas: Sequence[str]) -> dict[Name, Pointer]:
        """All tables and views of the schemas, locked to the end of the transaction."""
        return pointers.read(self._connection, self._catalog, schemas, lock="UPDATE")

    def bring(self, files: Files, plans: Sequence[Plan]) -> list[Change]:
        """Carry the plans out; all or none."""
        done = each(lambda plan: _move(files, plan), plans)
        if not pointers.move(self._connection, self._catalog, [move for move in done if move.old != move.new]):
            raise ConflictError("tables changed while they were brought back; none was.", remedy="try again")
        return [changed(plan, move.new.location if move.new else None) for plan, move in zip(plans, done, strict=True)]


class Tables(Protocol):
    """A catalog, as a rollback changes it."""

    def read(self, schemas: Sequence[str]) -> dict[Name, Pointer]:
        """All tables and views of the schemas."""

    def bring(self, files: Files, plans: Sequence[Plan]) -> list[Change]:
        """Carry the plans out, all or none; what the ledger keeps of it."""


def _catalog(platform: Platform, connection: Connection) -> Tables:
    if platform.catalog["type"] == "rest":
        from lakehold.tables.rest_rollback import RestTables

        return RestTables(platform)
    return _Rows(connection, platform.catalog["name"])


def _bring(
    platform: Platform, connection: Connection, files: Files, wishes: Sequence[Wish], entry: Entry, *, dry_run: bool
) -> list[Outcome]:
    catalog, schemas = platform.catalog["name"], sorted({wish.schema for wish in wishes})
    outcomes: list[Outcome] = []

    def attempt() -> Entry:
        with _alone(platform, connection, schemas):
            tables = _catalog(platform, connection)
            found = tables.read(schemas)
            plans = each(lambda wish: _plan(files, wish, found.get((wish.schema, wish.name))), wishes)
            for plan in plans:
                _refuse(connection, files, catalog, plan)
            outcomes[:] = [Outcome(table=plan.wish.full_name, action=plan.action) for plan in plans]
            done = entry if dry_run else replace(entry, changes=tables.bring(files, plans))
            if not dry_run:
                with connection.transaction():
                    ledger.record(connection, catalog, done)
                    _note_folders(connection, catalog, plans, entry.run)
        return done

    outside = platform.catalog["type"] == "rest"
    nothing = "what was brought back is not written down" if outside else "nothing was brought back"
    settled(platform, schemas, entry, attempt, nothing)
    return outcomes


@contextmanager
def _alone(platform: Platform, connection: Connection, schemas: Sequence[str]) -> Iterator[None]:
    if platform.catalog["type"] == "rest":
        with guard.claiming(connection, schemas):
            yield
        return
    with connection.transaction():
        guard.claim(connection, schemas)
        yield


def _note_folders(connection: Connection, catalog: str, plans: Sequence[Plan], run: str) -> None:
    """Write down where files of tables stay that leave the catalog, and strike out where one comes back."""
    gone = [
        Left(folder=leavings.folder_of(plan.found.location), schema=plan.wish.schema, table=plan.wish.name, run=run)
        for plan in plans
        if plan.wish.to is None and plan.found is not None and plan.found.kind == "TABLE"
    ]
    leavings.leave(connection, catalog, [left for left in gone if left.folder])
    back = [leavings.folder_of(plan.pointer.location) for plan in plans if plan.pointer and plan.found is None]
    leavings.strike(connection, catalog, back)


def _plan(files: Files, wish: Wish, found: Pointer | None) -> Plan:
    """Decide what becomes of one table; reads its metadata and writes nothing."""
    current = files.read(found.location) if found and found.kind == "TABLE" else None
    if wish.expected is not None and not _as_expected(wish, found, current) and not _emptied(wish, current):
        if wish.begun and _fulfilled(files, wish, found, current):
            return Plan(wish=wish, found=found, action="is so already", pointer=found)
        return Plan(wish=wish, found=found, conflict=True)
    if wish.to is None:
        return Plan(wish=wish, found=found, action="taken out of the catalog (it was new); its files stay")
    if current is None or wish.to.kind != "TABLE":
        pointer = Pointer(location=wish.location or "", kind=wish.to.kind)
        if files.find(pointer.location) is None:
            return Plan(wish=wish, found=found, missing=f"its metadata file {pointer.location} is gone")
        what = "as it was" if found else "put into the catalog again"
        return Plan(wish=wish, found=found, action=f"{wish.to.kind.lower()} {what}", pointer=pointer)
    if missing := metadata.missing_for(current, wish.to):
        return Plan(wish=wish, found=found, missing=missing)
    made = _made(wish, found.location if found else "", current, wish.to)
    return Plan(wish=wish, found=found, action=f"back to snapshot {wish.to.snapshot or '(none)'}", made=made)


def _as_expected(wish: Wish, found: Pointer | None, current: Metadata | None) -> bool:
    """Whether readers still see what the run published; a compaction since does not matter, it keeps all rows."""
    if wish.since is None or wish.expected is None:
        return found is None
    if found is None or found.kind != wish.expected.kind:
        return False
    if found.location == wish.since:
        return True
    return current is not None and metadata.shows(current, wish.expected)


def _emptied(wish: Wish, current: Metadata | None) -> bool:
    """Whether a new table is on its way out: a REST catalog takes its rows away first, and leaves the run's tag."""
    if not wish.begun or wish.to is not None or wish.expected is None or current is None:
        return False
    named = (current.get("refs") or {}).get(wish.untag, {}).get("snapshot-id")
    return metadata.current_snapshot(current) is None and named is not None and named == wish.expected.snapshot


def _fulfilled(files: Files, wish: Wish, found: Pointer | None, current: Metadata | None) -> bool:
    """Whether readers see already what they are to see."""
    if wish.to is None or found is None or found.kind != wish.to.kind:
        return wish.to is None and found is None
    if current is not None:
        return metadata.shows(current, wish.to)
    wanted = files.find(wish.location or "")
    return wanted is not None and views.says(files.read(found.location)) == views.says(wanted)


def _made(wish: Wish, location: str, current: Metadata, state: State) -> Metadata:
    made = metadata.rolled_back(current, location, state, cloning.now())
    if wish.instead_of is not None:
        # Properties that somebody has set since the run are theirs.
        own = current.get("properties", {})
        made["properties"] = metadata.merged(own, wish.instead_of.properties, state.properties)
    if wish.untag:
        made = metadata.untagged(made, wish.untag)
    if wish.tag:
        made = metadata.with_tag(made, wish.tag, cloning.now(), TAG_DAYS * DAY)
        made = metadata.with_before(made, wish.before, wish.tag, cloning.now(), TAG_DAYS * DAY)
    return made


def _refuse(connection: Connection, files: Files, catalog: str, plan: Plan) -> None:
    name = plan.wish.full_name
    if plan.conflict:
        raise ConflictError(
            f"{name} is not what the run published, so nothing was taken back.",
            why=who(files, catalog, connection, (plan.wish.schema, plan.wish.name), plan.found),
            remedy=f"lakehold tables history {name}; take the later run back first, or bring single tables back",
        )
    if plan.missing:
        raise DataError(
            f"{name} cannot be brought back, so nothing was: {plan.missing}.",
            why="maintenance expires snapshots that no tag keeps, and clears up after tables that were taken back",
            remedy=f"lakehold tables history {name}; or do the run's work again",
        )


def _move(files: Files, plan: Plan) -> Move:
    new = plan.pointer
    if plan.made is not None and plan.found is not None:
        new = Pointer(location=files.write(plan.made, plan.found.location))
    return Move(schema=plan.wish.schema, name=plan.wish.name, old=plan.found, new=new)


def changed(plan: Plan, new: str | None) -> Change:
    """Return what the ledger keeps of a plan that was carried out; ``new`` is the table's metadata file now."""
    return Change(
        schema=plan.wish.schema,
        name=plan.wish.name,
        changed=True,
        old=plan.found.location if plan.found else None,
        new=new,
        old_state=plan.wish.expected if plan.wish.since else None,
        new_state=plan.wish.to,
    )
