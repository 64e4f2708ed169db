"""Publishes a run's shadow on a JDBC catalog: all its tables in one transaction of PostgreSQL, or none.

First every table's next metadata file is written, with the run's tag, beside the one it follows; nobody reads it yet.
Then one transaction moves all pointers, each under the guard that it still is where the clone began, removes the
shadow, and writes the publication down. A publisher that dies before the commit has published nothing; one that dies
after has published all, and the next one finds that in the ledger.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import psycopg

from lakehold.config.platform import Platform
from lakehold.errors import ConflictError, DataError, LakeholdError, NotRunningError
from lakehold.tables import clone as cloning
from lakehold.tables import guard, ledger, metadata, pointers, views
from lakehold.tables.faster import conflict
from lakehold.tables.files import Files, Metadata, each
from lakehold.tables.ledger import Change, Connection, Entry, Shadow
from lakehold.tables.plan import Step, steps
from lakehold.tables.pointers import Move, Pointer
from lakehold.tables.shadow import Audit

TAG_DAYS = 7
"""Days a run's tag keeps its snapshots from being expired."""

_DAY = 86_400_000
_ROUNDS = 20
_PATIENCE = 60.0
"""Seconds to find out what became of a commit whose answer was lost."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a publication; ``earlier`` if it had happened before, and this call did nothing."""

    entry: Entry
    earlier: bool = False


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A step with its next metadata file written."""

    step: Step
    new: Pointer | None
    old_state: metadata.State | None
    new_state: metadata.State | None


class _MovedMeanwhileError(Exception):
    """A table moved between reading it and moving it; whether that is a conflict is for the next round to say."""


def publish(platform: Platform, audit: Audit, *, tag_days: float = TAG_DAYS) -> Published:
    """Publish the shadow of ``audit``.

    Raises :class:`ConflictError`, naming who was faster, when a table the run wrote is no longer what was cloned;
    :class:`DataError` when there is no shadow. Then nothing is published.
    """
    catalog, files = platform.catalog["name"], Files(platform.catalog)
    with ledger.connect(platform) as connection:
        found = ledger.live(connection, catalog, run=audit.run, group=audit.group)
        if not found:
            return earlier(connection, catalog, audit, pointers.schemas(connection, catalog, audit.ending))
        shadow, entry = found[0], Entry(id=uuid.uuid4(), run=audit.run, group=audit.group, kind="publish")
        attempt = _Attempt(connection, files, catalog, shadow, entry, int(tag_days * _DAY))
        for _ in range(_ROUNDS):
            try:
                return Published(entry=_settle(platform, shadow, entry, attempt))
            except _MovedMeanwhileError:
                continue
    raise ConflictError(
        f'tables beside those of run "{audit.run}" change faster than they can be tagged; nothing was published.',
        remedy="publish again",
    )


def earlier(connection: Connection, catalog: str, audit: Audit, unlisted: Collection[str]) -> Published:
    """Return the run's last publication, if that is what became of its shadow.

    ``unlisted`` are schemas of the shadow's names that the catalog has all the same: written after it was gone.
    """
    last = next(iter(ledger.entries(connection, catalog, audit.run, audit.group)), None)
    if last is not None and last.kind == "publish":
        if unlisted:
            raise DataError(
                f'run "{audit.run}" (group {audit.group}) has written since it was published; what it wrote is not.',
                why=f"its shadow was gone, and {', '.join(unlisted)} was made anew without what was published",
                remedy="begin with its clone again (in Airflow: clear the group's first task)",
            )
        return Published(entry=replace(last, changes=ledger.changes(connection, last)), earlier=True)
    what = "has no shadow" if last is None else "has no shadow any more: it was given up"
    raise DataError(
        f'run "{audit.run}" (group {audit.group}) {what}, so there is nothing to publish.',
        remedy="begin with its clone again (in Airflow: clear the group's first task)",
    )


class _Attempt:
    """Plans, prepares and commits one publication; called again after a harmless collision."""

    def __init__(
        self, connection: Connection, files: Files, catalog: str, shadow: Shadow, entry: Entry, keep: int
    ) -> None:
        self._connection = connection
        self._files = files
        self._catalog = catalog
        self._shadow = shadow
        self._entry = entry
        self._keep = keep
        self._schemas = [*shadow.schemas, *shadow.schemas.values()]
        self._clones = ledger.clones(connection, shadow)
        # What the gate has seen: who writes to the shadow after this does not get it published.
        self._shown = pointers.read(connection, catalog, list(shadow.schemas.values()))
        self._ready: dict[str, _Ready] = {}

    def __call__(self) -> Entry:
        """Do it; returns the entry as it was recorded."""
        found = {**pointers.read(self._connection, self._catalog, list(self._shadow.schemas)), **self._shown}
        planned = steps(self._shadow, self._clones, found)
        prepared = self._prepared(planned)
        entry = replace(self._entry, changes=_changes(prepared))
        with self._connection.transaction():
            guard.claim(self._connection, self._shadow.schemas)
            self._check(planned)
            moves = [_move(ready) for ready in prepared if ready.new != ready.step.target]
            if not pointers.move(self._connection, self._catalog, moves):
                raise LakeholdError("the catalog's rows are not what they were a moment ago; nothing was published.")
            ledger.record(self._connection, self._catalog, entry)
            cloning.forget(self._connection, self._catalog, self._shadow)
        return entry

    def _prepared(self, planned: Sequence[Step]) -> list[_Ready]:
        """Prepare the steps that are not what they were in the round before."""
        fresh = [step for step in planned if step != getattr(self._ready.get(step.full_name), "step", None)]
        self._ready |= {ready.step.full_name: ready for ready in each(self._prepare, fresh)}
        return [self._ready[step.full_name] for step in planned]

    def _check(self, planned: Sequence[Step]) -> None:
        """Lock every row, in sorted order, and see that all is as it was planned."""
        if not ledger.live(self._connection, self._catalog, run=self._shadow.run, group=self._shadow.group):
            raise DataError("the shadow was given up or published by somebody else; nothing was published.")
        found = pointers.read(self._connection, self._catalog, self._schemas, lock="UPDATE")
        for name, pointer in found.items():
            if name[0] in self._shadow.schemas.values() and self._shown.get(name) != pointer:
                raise _still_written(name)
        if any(found.get((step.schema, step.name)) != step.target for step in planned):
            # Planned again, and refused there with the name of who was faster if it is a table the run wrote.
            raise _MovedMeanwhileError

    def _prepare(self, step: Step) -> _Ready:
        """Write the step's next metadata file, if it has one."""
        published = self._files.read(step.target.location) if step.target else None
        old = metadata.state_of(published, step.target.kind) if published and step.target else None
        if not step.changed:
            return self._prepare_tag(step, published, old)
        if not _as_cloned(step, old):
            raise conflict(self._files, self._catalog, self._connection, self._shadow, step)
        cloned = self._cloned(step, published)
        if published and cloned and (parts := metadata.changed_since(cloned, published)):
            raise self._undoing(step, parts)
        if step.source is None:
            return _Ready(step=step, new=None, old_state=old, new_state=None)
        source = self._files.read(step.source.location)
        if step.source.kind == "VIEW":
            made = views.rewritten(source, cloning.mapping_back(self._shadow), self._catalog)
        else:
            made = self._finished(step, source, cloned, published)
        location = self._files.write(made, step.source.location)
        new = Pointer(location=location, kind=step.source.kind)
        return _Ready(step=step, new=new, old_state=old, new_state=metadata.state_of(made, new.kind))

    def _cloned(self, step: Step, published: Metadata | None) -> Metadata | None:
        """Read the metadata the clone began with; where the table has not moved it is what is published."""
        if step.base is None or step.target is None or step.target.location == step.base.base:
            return published
        # The original's own file may be gone by now: engines keep the last few of them. The clone's says the same.
        return {**self._files.read(step.base.clone), "properties": step.base.state.properties}

    def _undoing(self, step: Step, parts: Sequence[str]) -> ConflictError:
        """Return the error for a table whose rows are as cloned, and whose metadata has what the clone has not."""
        refusal = conflict(self._files, self._catalog, self._connection, self._shadow, step)
        why = f"publishing would undo a change of its {', '.join(parts)}; {refusal.why}"
        return ConflictError(refusal.what, why=why, remedy=refusal.remedy)

    def _finished(self, step: Step, source: Metadata, cloned: Metadata | None, published: Metadata | None) -> Metadata:
        location = step.source.location if step.source else ""
        if step.base and step.base.kind == "TABLE":
            source = metadata.unguarded(source, step.base.state.properties)
        if published and cloned and step.target and step.target.kind == "TABLE":
            source = metadata.rebased(source, cloned, published)
        return metadata.tagged(source, location, self._entry.tag, cloning.now(), self._keep) or source

    def _prepare_tag(self, step: Step, published: Metadata | None, old: metadata.State | None) -> _Ready:
        """Tag what is published now: the run did not write the table, so it has not collided with who did since."""
        made = None
        if published and step.target and step.target.kind == "TABLE":
            made = metadata.tagged(published, step.target.location, self._entry.tag, cloning.now(), self._keep)
        if made is None or step.target is None:
            return _Ready(step=step, new=step.target, old_state=old, new_state=old)
        new = Pointer(location=self._files.write(made, step.target.location))
        return _Ready(step=step, new=new, old_state=old, new_state=metadata.state_of(made))


def _as_cloned(step: Step, now: metadata.State | None) -> bool:
    """Whether readers see in what is published what the clone began with."""
    if step.base is None or step.target is None:
        return step.base is None and step.target is None
    if step.target.location == step.base.base:
        return True
    return step.base.kind == "TABLE" and now == step.base.state


def _move(ready: _Ready) -> Move:
    return Move(schema=ready.step.schema, name=ready.step.name, old=ready.step.target, new=ready.new)


def _changes(prepared: Iterable[_Ready]) -> list[Change]:
    return [
        Change(
            schema=one.step.schema,
            name=one.step.name,
            changed=one.step.changed,
            old=one.step.target.location if one.step.target else None,
            new=one.new.location if one.new else None,
            old_state=one.old_state,
            new_state=one.new_state,
        )
        for one in prepared
        if one.step.target or one.new
    ]


def _still_written(name: tuple[str, str]) -> LakeholdError:
    return LakeholdError(
        f"{'.'.join(name)} was written while it was being published; nothing was published.",
        why="a task of the run is still at work, and no gate has seen what it wrote",
        remedy="end that task, then run the gate and publish again",
    )


def _settle(platform: Platform, shadow: Shadow, entry: Entry, attempt: Callable[[], Entry]) -> Entry:
    """Make the attempt; when the answer to the commit was lost, find out what it was."""
    try:
        return attempt()
    except psycopg.OperationalError as error:
        if committed := _committed(platform, shadow, entry):
            return committed
        raise NotRunningError(
            "the catalog's database did not finish the transaction; nothing was published.",
            why=str(error).strip(),
            remedy="lakehold status postgres, then publish again",
        ) from error


def _committed(platform: Platform, shadow: Shadow, entry: Entry) -> Entry | None:
    """Look into the ledger as soon as PostgreSQL answers and the lost transaction is over, whichever way."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with ledger.connect(platform) as connection, connection.transaction():
                # The lost transaction has these until its end.
                if guard.claim(connection, shadow.schemas, wait=_PATIENCE):
                    changes = ledger.changes(connection, entry)
                    return replace(entry, changes=changes) if ledger.exists(connection, entry.id) else None
        except (NotRunningError, psycopg.OperationalError):
            time.sleep(0.5)
        if time.monotonic() > deadline:
            raise LakeholdError(
                f'whether run "{shadow.run}" (group {shadow.group}) was published is not known.',
                why="the catalog's database has not answered since",
                remedy="publish again: it finds out, and does nothing if it was",
            )
