"""How far a publication on a REST catalog is: what is published, what the run made, and what is still to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehold.tables import difference, metadata, views
from lakehold.tables.clone import mapping_back
from lakehold.tables.difference import Json, Update
from lakehold.tables.files import each
from lakehold.tables.ledger import Clone, Shadow
from lakehold.tables.metadata import State, state_of
from lakehold.tables.plan import Step, steps
from lakehold.tables.pointers import Name, Pointer
from lakehold.tables.rest_client import Change, Found, RestClient

RESERVED = "lakehold.reserved"
"""Property of a new table that a publication is about to fill: the shadow schema it comes from."""

TAKEN_BACK = "lakehold.taken-back"
"""Property of a table on which a publication was torn and taken back: the tag of that run."""

_RUN = "run_"
_HISTORY = (
    *("current-snapshot-id", "snapshots", "refs", "snapshot-log", "metadata-log"),
    *("statistics", "partition-statistics"),
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A table or view of a publication. Neither ``done`` nor ``lost``: ``updates`` bring it about."""

    step: Step
    target: Found | None
    """Published now; without its rows for a new table that is reserved."""
    source: Found | None
    """In the shadow."""
    first: Found | None
    """What was published at the first look."""
    updates: Sequence[Update] = ()
    done: bool = False
    lost: bool = False
    """Somebody else was faster."""

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        found = self.step.source or self.step.base
        return found is not None and found.kind == "VIEW"

    @property
    def published(self) -> Pointer | None:
        """Where the published table is."""
        return Pointer(location=self.target.location) if self.target else None

    def change(self) -> Change:
        """The table's part of the commit; a new table that could not be reserved must not be there."""
        if self.target is None:
            required: list[Update] = [{"type": "assert-create"}]
        else:
            required = difference.requirements(self.target.metadata, difference.touched_refs(self.updates))
        return Change(schema=self.step.schema, table=self.step.name, requirements=required, updates=self.updates)


class Look:
    """Looks at a publication's tables, as often as it is called; the shadow's as they were when it was made."""

    def __init__(
        self, client: RestClient, shadow: Shadow, clones: Sequence[Clone], catalog: str, tag: str, now: int, keep: int
    ) -> None:
        self._client = client
        self._shadow = shadow
        self._clones = clones
        self._catalog = catalog
        self._tag = tag
        self._time = (now, keep)
        self._sources = read(client, shadow.schemas.values())
        self.shown = pointers_of(self._sources)
        self._first: dict[Name, tuple[Found, str]] | None = None
        self._chosen: dict[str, set[int | None]] = {}

    def __call__(self) -> list[Work]:
        """The work, by name."""
        targets = read(self._client, self._shadow.schemas)
        if self._first is None:
            self._first = targets
        there = {name: each for name, each in targets.items() if not self._is_reserved(name, each[0])}
        planned = steps(self._shadow, self._clones, pointers_of({**there, **self._sources}))
        return [self._examined(step, targets) for step in planned]

    def filling(self, work: Work, reserved: Found) -> Work:
        """The work on a new table that has just been reserved."""
        assert work.source is not None  # noqa: S101  # a table without a source is nobody's work
        return replace(work, target=reserved, updates=self._updates(reserved, work.source))

    def _examined(self, step: Step, targets: dict[Name, tuple[Found, str]]) -> Work:
        name = (step.schema, step.name)
        target, _ = targets.get(name, (None, ""))
        source, _ = self._sources.get((self._shadow.schemas[step.schema], step.name), (None, ""))
        first, _ = (self._first or {}).get(name, (None, ""))
        work = Work(step=step, target=target, source=source, first=first)
        if not step.changed:
            return replace(work, done=True) if work.is_view else self._tagging(work)
        return self._view(work) if work.is_view else self._table(work)

    def _tagging(self, work: Work) -> Work:
        """A table the run did not write: its tag goes on what is published, whoever has written it since."""
        if work.target is None:
            return replace(work, done=True)
        chosen = self._chosen.setdefault(work.step.full_name, set())
        chosen.add(metadata.current_snapshot(work.target.metadata))
        if _tagged(work.target, self._tag) in chosen:
            return replace(work, done=True)
        return replace(work, updates=difference.tag(work.target.metadata, self._tag, *self._time))

    def _table(self, work: Work) -> Work:
        base, target, source = work.step.base, work.target, work.source
        if target is None or source is None:
            return replace(work, lost=base is not None)
        if self._is_reserved((work.step.schema, work.step.name), target):
            return replace(work, updates=self._updates(target, source))
        if base is not None and (target.location == base.base or state_of(target.metadata) == base.state):
            updates = self._updates(target, source)
            return replace(work, updates=updates, done=not updates)
        carried = carries(target, source.metadata, self._tag)
        return replace(work, done=carried, lost=not carried)

    def _view(self, work: Work) -> Work:
        base, target, source = work.step.base, work.target, work.source
        if source is None:
            done = target is None
        else:
            made = views.rewritten(source.metadata, mapping_back(self._shadow), self._catalog)
            done = target is not None and views.says(target.metadata) == views.says(made)
        as_cloned = (base.base if base else None) == (target.location if target else None)
        return replace(work, done=done, lost=not done and not as_cloned)

    def _updates(self, target: Found, source: Found) -> list[Update]:
        updates = difference.updates(target.metadata, source.metadata)
        if _tagged(target, self._tag) != metadata.current_snapshot(source.metadata):
            updates += difference.tag(source.metadata, self._tag, *self._time)
        if updates:
            updates += difference.before_tag(target.metadata, source.metadata, self._tag, *self._time)
        return updates

    def _is_reserved(self, name: Name, found: Found) -> bool:
        return reserved(found) == self._shadow.schemas.get(name[0], name[0])


def carries(found: Found, shadow: Json, tag: str) -> bool:
    """Whether a published table has what readers of the shadow see, and the run's tag; more may be on top of it."""
    if found.metadata["table-uuid"] != shadow["table-uuid"]:
        return False
    snapshot = metadata.current_snapshot(shadow)
    if snapshot is None:
        return not difference.updates(found.metadata, shadow)
    known = {schema["schema-id"] for schema in found.metadata["schemas"]}
    return _tagged(found, tag) == snapshot and shadow["current-schema-id"] in known


def reserved(found: Found) -> str | None:
    """The shadow schema whose publication has reserved the table, and not filled it yet."""
    value = found.metadata.get("properties", {}).get(RESERVED)
    return None if value is None else str(value)


def emptied(table: Json, shadow: str) -> Json:
    """The table as it was before its first row, with the same identity, columns and layout, reserved."""
    kept = {key: value for key, value in table.items() if key not in _HISTORY}
    counters: Json = {key: 0 for key in ("last-sequence-number", "next-row-id") if key in table}
    return {**kept, **counters, "properties": {**table["properties"], RESERVED: shadow}}


def undoing(work: Work, found: Found | None, tag: str) -> Change | None:
    """What takes a table's part of a torn publication back; None when somebody has built on it already."""
    if found is None or work.source is None:
        return None
    if metadata.current_snapshot(found.metadata) != metadata.current_snapshot(work.source.metadata):
        return None
    before = work.step.base.state if work.step.base else State(properties=found.metadata["properties"])
    updates = [
        *difference.restoration(found.metadata, before),
        *difference.properties(found.metadata["properties"], {**before.properties, TAKEN_BACK: tag}),
    ]
    tags = [name for name in (tag, f"{metadata.BEFORE}{tag}") if _tagged(found, name) is not None]
    updates += [{"action": "remove-snapshot-ref", "ref-name": name} for name in tags]
    required = difference.requirements(found.metadata, [tag, *tags])
    return Change(schema=work.step.schema, table=work.step.name, requirements=required, updates=updates)


def runs_on(found: Found | None, own: str) -> list[str]:
    """What a table says of other runs: the tags on what readers see of it, and one that was taken back."""
    if found is None:
        return []
    current = metadata.current_snapshot(found.metadata)
    refs = found.metadata.get("refs") or {}
    tags = sorted(name for name, ref in refs.items() if ref["snapshot-id"] == current)
    told = [f"it has the tag {name}" for name in tags if name.startswith(_RUN) and name != own]
    torn = found.metadata.get("properties", {}).get(TAKEN_BACK)
    return told + ([f"{torn} was taken back"] if torn else [])


def _tagged(found: Found, tag: str) -> int | None:
    snapshot = (found.metadata.get("refs") or {}).get(tag, {}).get("snapshot-id")
    return None if snapshot is None else int(snapshot)


def read(client: RestClient, schemas: Iterable[str]) -> dict[Name, tuple[Found, str]]:
    """All tables and views of the schemas, each with its kind."""
    names = [
        (schema, name, kind)
        for schema in schemas
        for kind, listed in (("TABLE", client.tables(schema)), ("VIEW", client.views(schema)))
        for name in listed
    ]
    found = each(lambda one: (client.load if one[2] == "TABLE" else client.load_view)(one[0], one[1]), names)
    return {
        (schema, name): (one, kind) for (schema, name, kind), one in zip(names, found, strict=True) if one is not None
    }


def pointers_of(found: Mapping[Name, tuple[Found, str]]) -> dict[Name, Pointer]:
    """Where their metadata files are."""
    return {name: Pointer(location=each.location, kind=kind) for name, (each, kind) in found.items()}
