"""Does one action to one table, by the engine the plan chose. Every change is one commit; files go only after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lakehold.config import ancestry
from lakehold.config.platform import Platform
from lakehold.errors import ConflictError, NotRunningError, RunFailedError
from lakehold.tables import maintenance_trino as sql
from lakehold.tables.maintenance_plan import Action, small_limit
from lakehold.tables.maintenance_spark import rewrite
from lakehold.tables.measure import EXPIRED
from lakehold.tables.metadata import MAINTENANCE
from lakehold.tables.policy import Policy
from lakehold.tables.references import Object, Reach, References, Store, counted, neighbours, place, unreferenced
from lakehold.tables.state import Orphans, TableState, expirable
from lakehold.tables.told import by_pyiceberg

_OURS = {MAINTENANCE: "prune"}
"""In the summary of a snapshot that no job explains."""
_LOST = ("ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT")
"""Trino's names for a commit that met another one."""


class Workshop:
    """What actions need: the engines, the store, and the other tables of the catalog."""

    def __init__(
        self,
        platform: Platform,
        catalog: Any,
        everything: Callable[[], list[Any]],
        progress: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._platform = platform
        self._catalog = catalog
        self._store = Store(platform.catalog)
        self._everything = everything
        self._trino = sql.Trino(platform.trino, progress)

    def do(self, action: Action, table: Any, state: TableState, policy: Policy, seconds: float) -> Orphans | None:
        """Do it; returns what was deleted. :class:`ConflictError` when another commit came first."""
        with by_pyiceberg():
            return self._do(action, table, state, policy, seconds)

    def _do(self, action: Action, table: Any, state: TableState, policy: Policy, seconds: float) -> Orphans | None:
        if action.kind == "expire":
            self._expire(table, state, policy)
            return None
        if action.kind == "prune":
            self._prune(table, state)
            return None
        if action.kind == "sweep":
            return self._sweep(table, state)
        if action.kind == "orphans":
            return self._orphans(table, policy)
        if action.engine == "spark":
            rewrite(self._platform, action.kind, state, policy, seconds)
            return None
        self._by_trino(action, state, policy, seconds)
        return None

    def probe(self, table: Any, state: TableState) -> sql.Probe:
        """Measure the table as a reader meets it."""
        name = sql.name(self._platform.trino.catalog, state.schema, state.table)
        with _trino_errors(self._platform):
            return self._trino.probe(name, _narrow_column(table.schema()))

    def _by_trino(self, action: Action, state: TableState, policy: Policy, seconds: float) -> None:
        name = sql.name(self._platform.trino.catalog, state.schema, state.table)
        # Of files above the limit only those with deleted rows are rewritten: with one byte, only those.
        limit = 1 if action.kind == "deletes" else small_limit(policy)
        statements = {
            "compact": sql.optimize(name, limit),
            "deletes": sql.optimize(name, limit),
            "manifests": sql.optimize_manifests(name),
            "analyze": sql.analyze(name),
        }
        session = {
            f"{self._platform.trino.catalog}.target_max_file_size": f"{policy.compaction.target}B",
            "query_max_run_time": f"{max(60, int(seconds))}s",
        }
        with _trino_errors(self._platform):
            self._trino.run(statements[action.kind], session)

    def _expire(self, table: Any, state: TableState, policy: Policy) -> None:
        """Take snapshots out of the metadata; their files stay until no reader can have them."""
        from pyiceberg.exceptions import CommitFailedException
        from pyiceberg.table.update import RemoveSnapshotRefUpdate, RemoveSnapshotsUpdate, SetPropertiesUpdate

        now = datetime.now(UTC)
        dead, going = expirable(state.snapshots, state.refs, policy.snapshots, int(now.timestamp() * 1000))
        note = json.dumps({"metadata": table.metadata_location, "at_ms": int(now.timestamp() * 1000)})
        updates = (
            *(RemoveSnapshotRefUpdate(ref_name=name) for name in dead),
            RemoveSnapshotsUpdate(snapshot_ids=going),
            SetPropertiesUpdate(updates={EXPIRED: note}),
        )
        try:
            self._catalog.commit_table(table, _unmoved(table, self._platform.catalog.get("type", "")), updates)
        except CommitFailedException as error:
            raise ConflictError(f"{state.name} was committed to meanwhile.", why=str(error)) from error

    def _prune(self, table: Any, state: TableState) -> None:
        """Commit a snapshot of the same files without the manifests that have none.

        Engines keep a manifest of deleted entries until the next commit of data, which leaves it out; an append of
        nothing is such a commit.
        """
        from pyiceberg.exceptions import CommitFailedException

        try:
            ours = {**_OURS, **ancestry.snapshot_properties("tables.maintenance")}
            with table.transaction() as transaction, transaction.update_snapshot(ours).fast_append():
                pass
        except CommitFailedException as error:
            raise ConflictError(f"{state.name} was committed to meanwhile.", why=str(error)) from error

    def _sweep(self, table: Any, state: TableState) -> Orphans:
        """Delete the files only expired snapshots had, data first: what is killed half way is found again."""
        if state.expired is None:
            raise ValueError("nothing was expired")
        references = References()
        before = references.before_expiry(table.io, state.expired.metadata)
        # The table itself counts whatever the catalog says: without it, all of its files would be nobody's.
        sharing = [table, *neighbours(table, self._everything())]
        referenced = references.of_tables(sharing, but=state.expired.metadata)
        sizes = {found.place: found for found in self._store.below(table.location())}
        # Only below the table's own folder is it known who else has files there.
        own = place(table.location().rstrip("/") + "/")
        gone = [sorted(one for one in files - referenced if one.startswith(own)) for files in _by_kind(before)]
        self._confirm(table)
        for files in gone:
            self._store.delete(files)
        self._forget(table)
        known: list[Object] = [sizes[one] for files in gone for one in files if one in sizes]
        return counted((), known)

    def _forget(self, table: Any) -> None:
        from pyiceberg.exceptions import CommitFailedException

        try:
            with table.transaction() as transaction:
                transaction.remove_properties(EXPIRED)
        except CommitFailedException as error:
            raise ConflictError("the table was committed to meanwhile.", why=str(error)) from error

    def _confirm(self, table: Any) -> None:
        """Look, before files go, that the table has its name still; :class:`ConflictError` otherwise."""
        if load(self._catalog, table.name()).metadata.table_uuid != table.metadata.table_uuid:
            raise ConflictError(f"{'.'.join(table.name())} is another table by now.")

    def _orphans(self, table: Any, policy: Policy) -> Orphans:
        listed, unused = self.unreferenced(table, policy)
        self._confirm(table)
        self._store.delete([found.place for found in unused])
        return counted(listed, unused)

    def unreferenced(
        self, table: Any, policy: Policy, tables: Sequence[Any] | None = None
    ) -> tuple[Sequence[Object], list[Object]]:
        """Return what lies below the table's location, and what of it nothing refers to and is old enough.

        ``tables`` are all tables of the catalog, when they were read already: good enough to report, not to delete.
        """
        # First the listing, then the references: what is committed in between is referenced, never the reverse.
        listed = list(self._store.below(table.location()))
        before = datetime.now(UTC) - policy.orphans.older
        if not any(found.changed < before for found in listed):
            return listed, []
        known = self._everything() if tables is None else tables
        referenced = References().of_tables([table, *neighbours(table, known)])
        return listed, unreferenced(listed, referenced, before)


def load(catalog: Any, name: tuple[str, ...]) -> Any:
    """Load a table that was listed before; :class:`ConflictError` when it is gone."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        return catalog.load_table(name)
    except NoSuchTableError as error:
        raise ConflictError(f"{'.'.join(name)} was renamed or dropped meanwhile.", why=str(error)) from error


def _narrow_column(schema: Any) -> str | None:
    """Return a column that is cheap to read: a number or a date before a text, nothing nested."""
    plain = [field for field in schema.fields if field.field_type.is_primitive]
    long = [str(field.field_type) in ("string", "binary") for field in plain]
    return plain[long.index(min(long))].name if plain else None


def _by_kind(reach: Reach) -> list[frozenset[str]]:
    return [reach.data, reach.manifests, reach.lists, reach.others]


def _unmoved(table: Any, kind: str) -> tuple[Any, ...]:
    """Requirements of a commit that must find the table as it was read: a new tag would lose its snapshot."""
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID, ValidatableTableRequirement

    read = table.metadata

    class _AssertUnmoved(ValidatableTableRequirement):  # type: ignore[misc]  # pyiceberg is not installed where mypy runs
        """Checked where the commit is made; a REST server makes it elsewhere, and knows the refs it was told only."""

        type: str = "assert-unmoved"

        def validate(self, base_metadata: Any) -> None:
            if base_metadata is None or base_metadata != read:
                raise CommitFailedException("the table has changed since it was measured")

    refs = [AssertRefSnapshotId(ref=name, snapshot_id=ref.snapshot_id) for name, ref in read.refs.items()]
    return (AssertTableUUID(uuid=read.table_uuid), *refs, *(() if kind == "rest" else (_AssertUnmoved(),)))


@contextmanager
def _trino_errors(platform: Platform) -> Iterator[None]:
    """Turn the client's errors into ours."""
    import requests
    from trino.exceptions import HttpError, TrinoConnectionError, TrinoQueryError

    try:
        yield
    except TrinoQueryError as error:
        if error.error_name in _LOST:
            raise ConflictError("another commit came first.", why=error.message) from error
        raise RunFailedError(
            f"Trino could not do it: {error.message}", why=f"{error.error_name}, query {error.query_id}"
        ) from error
    except (TrinoConnectionError, HttpError, requests.RequestException) as error:
        address = f"{platform.trino.host}:{platform.trino.port}"
        raise NotRunningError(
            f"Trino does not answer on {address}.", why=str(error)[:500], remedy="lakehold up trino"
        ) from error
