"""Publishing on an Iceberg REST catalog: one commit of all tables, each guarded by what its clone was made of.

A catalog that keeps the protocol's promise moves all tables of the commit or none. Whether it did is not believed but
looked up: look, commit what is missing, look again, until every table carries the run. That finds what became of a
commit whose answer was lost, goes on where a killed publisher stopped, and notices a catalog that moved some tables
only: then the rest follows, or, if somebody else was faster there, what was moved is taken back.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from lakehold.config.platform import Platform
from lakehold.errors import ConflictError, LakeholdError
from lakehold.tables import clone as cloning
from lakehold.tables import guard, ledger, rest, rest_look, views
from lakehold.tables.faster import conflict
from lakehold.tables.files import Files
from lakehold.tables.ledger import Change, Connection, Entry, Shadow
from lakehold.tables.metadata import state_of
from lakehold.tables.publish import TAG_DAYS, Published, earlier
from lakehold.tables.rest_client import RefusedError, RestClient, UnknownOutcomeError
from lakehold.tables.rest_look import Look, Work
from lakehold.tables.shadow import Audit

_DAY = 86_400_000
_ROUNDS = 20


def publish(platform: Platform, audit: Audit, *, tag_days: float = TAG_DAYS) -> Published:
    """Publish the shadow of ``audit`` like :func:`lakehold.tables.publish.publish`, with the same errors.

    Views follow the tables one by one: the protocol's commit knows none.
    """
    catalog = platform.catalog["name"]
    with ledger.connect(platform) as connection:
        found = ledger.live(connection, catalog, run=audit.run, group=audit.group)
        if not found:
            return earlier(connection, catalog, audit, RestClient(platform.catalog).schemas(audit.ending))
        shadow, client = found[0], RestClient(platform.catalog)
        published = _recorded(connection, catalog, shadow)
        if published is None:
            entry = Entry(id=_id(shadow), run=audit.run, group=audit.group, kind="publish")
            attempt = _Attempt(platform, connection, client, shadow, entry, int(tag_days * _DAY))
            # Publishers of this installation wait for each other, so that the slower one is told who was faster.
            with connection.transaction():
                guard.claim(connection, shadow.schemas)
                published = Published(entry=attempt.settled())
                ledger.record(connection, catalog, published.entry)
        # Written down first: who is killed here is only cleaned up after.
        rest.forget(client, shadow)
        ledger.remove(connection, shadow)
        return published


def _recorded(connection: Connection, catalog: str, shadow: Shadow) -> Published | None:
    """The publication of this very shadow, if there was one: its publisher was killed before it could clean up."""
    found = [one for one in ledger.entries(connection, catalog, shadow.run, shadow.group) if one.id == _id(shadow)]
    if not found:
        return None
    return Published(entry=replace(found[0], changes=ledger.changes(connection, found[0])), earlier=True)


def _id(shadow: Shadow) -> uuid.UUID:
    """The publication of a shadow; a shadow is published once."""
    return uuid.uuid5(shadow.id, "publish")


class _Attempt:
    """Brings one publication about, round by round."""

    def __init__(
        self, platform: Platform, connection: Connection, client: RestClient, shadow: Shadow, entry: Entry, keep: int
    ) -> None:
        self._catalog = platform.catalog["name"]
        self._files = Files(platform.catalog)
        self._connection = connection
        self._client = client
        self._shadow = shadow
        self._entry = entry
        self._look = Look(
            client, shadow, ledger.clones(connection, shadow), self._catalog, entry.tag, cloning.now(), keep
        )

    def settled(self) -> Entry:
        """Publish; returns the entry to be written down."""
        reason = ""
        for _ in range(_ROUNDS):
            work = self._look()
            if lost := [each for each in work if each.lost]:
                raise self._refused(lost[0], work, reason)
            tables = [each for each in work if not each.done and not each.is_view]
            if tables:
                reason = self._commit(tables)
                continue
            waiting = [each for each in work if not each.done]
            if not waiting:
                return replace(
                    self._entry, changes=[_recorded_change(each) for each in work if each.target or each.step.changed]
                )
            for each in waiting:
                self._publish_view(each)
        raise ConflictError(
            f'The tables of run "{self._shadow.run}" could not be published.',
            why=reason or "others change them faster than they can be moved",
            remedy="publish again",
        )

    def _commit(self, tables: Sequence[Work]) -> str:
        """Send the one commit; returns what the catalog had against it. What came of it, the next look tells."""
        changes = [self._reserved(each).change() for each in tables]
        try:
            self._client.commit(changes)
        except (RefusedError, UnknownOutcomeError) as error:
            return str(error)
        return ""

    def _reserved(self, work: Work) -> Work:
        """Register a new table without its rows, so that the commit can fill it together with the others.

        The protocol has ``assert-create`` for this, but catalogs commit several tables only where all exist already.
        """
        if work.target is not None or work.source is None:
            return work
        emptied = rest_look.emptied(work.source.metadata, self._shadow.schemas[work.step.schema])
        location = self._files.write(emptied, work.source.location)
        found = self._client.register(work.step.schema, work.step.name, location)
        if found is None:
            return work  # Somebody has made one of that name: the commit is refused, and the next look says who.
        return self._look.filling(work, found)

    def _publish_view(self, work: Work) -> None:
        if work.source is None:
            self._client.forget_view(work.step.schema, work.step.name)
            return
        made = views.rewritten(dict(work.source.metadata), cloning.mapping_back(self._shadow), self._catalog)
        self._client.put_view(work.step.schema, work.step.name, made)

    def _refused(self, lost: Work, work: Sequence[Work], reason: str) -> LakeholdError:
        """Take back what was moved, and return the error that names who was faster."""
        stuck = [
            each.step.full_name
            for each in work
            if each.done and each.step.changed and not each.is_view and not self._taken_back(each)
        ]
        for each in work:
            rest.release(self._client, each.step.schema, each.step.name, self._shadow)
        step = replace(lost.step, target=lost.published)
        refusal = conflict(self._files, self._catalog, self._connection, self._shadow, step)
        told = [refusal.why, *rest_look.runs_on(lost.target, self._entry.tag), *([reason] if reason else [])]
        if not stuck:
            return ConflictError(refusal.what, why="; ".join(told), remedy=refusal.remedy)
        return LakeholdError(
            f"The catalog published {', '.join(stuck)} but not {lost.step.full_name}, and others have built on it.",
            why="it did not commit the tables of one transaction together; " + "; ".join(told),
            remedy="take them back by hand (lakehold tables rollback TABLE), or use a catalog that does",
        )

    def _taken_back(self, work: Work) -> bool:
        """Undo one table's part of a torn publication; False when somebody has built on it already."""
        found = self._client.load(work.step.schema, work.step.name)
        change = rest_look.undoing(work, found, self._entry.tag)
        if change is None:
            return False
        try:
            self._client.commit_one(change)
        except (RefusedError, UnknownOutcomeError):
            return False
        if work.step.base is None:
            self._client.forget(work.step.schema, work.step.name)
        return True


def _recorded_change(work: Work) -> Change:
    """What the ledger keeps of one table; of one that the run wrote, the state it was cloned in is the old one."""
    step, base, first = work.step, work.step.base, work.first
    kind = "VIEW" if work.is_view else "TABLE"
    if step.changed:
        old, old_state = (base.base, base.state) if base else (None, None)
    else:
        old, old_state = (first.location, state_of(first.metadata, kind)) if first else (None, None)
    return Change(
        schema=step.schema,
        name=step.name,
        changed=step.changed,
        old=old,
        new=work.target.location if work.target else None,
        old_state=old_state,
        new_state=state_of(work.target.metadata, kind) if work.target else None,
    )
