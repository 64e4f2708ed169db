"""What cloning, publishing and rolling back make of a table's metadata: pure functions on its JSON.

They change references, properties and which schema is current; snapshots and files are only ever referred to.
Fields are those of Iceberg's table specification, versions 1 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Metadata = dict[str, Any]

MAIN = "main"
GUARDS = {"gc.enabled": "false", "write.metadata.delete-after-commit.enabled": "false"}
"""Properties of a clone. With them Iceberg itself refuses, in every engine, to expire snapshots and to purge files, and
leaves old metadata files: all of them belong to the original as well."""

MAINTENANCE = "lakehold.maintenance"
"""Key in the summary of a snapshot that maintenance made without touching a row; its value is the action."""

_NO_SNAPSHOT = -1
_BROUGHT_ALONG = ("metadata-log", "last-updated-ms", "statistics")
_PREVIOUS_VERSIONS = ("write.metadata.previous-versions-max", 100)


@dataclass(frozen=True, kw_only=True)
class State:
    """What readers see of a table or view: its current snapshot, schema, partitioning, order and properties."""

    kind: str = "TABLE"
    snapshot: int | None = None
    schema: int | None = None
    spec: int | None = None
    order: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        return asdict(self)


def state_of(metadata: Metadata, kind: str = "TABLE") -> State:
    """Read what readers see; of a view nothing but its kind, for its file is never changed."""
    if kind == "VIEW":
        return State(kind=kind)
    return State(
        snapshot=current_snapshot(metadata),
        schema=metadata.get("current-schema-id"),
        spec=metadata.get("default-spec-id"),
        order=metadata.get("default-sort-order-id"),
        properties=dict(metadata.get("properties", {})),
    )


def current_snapshot(metadata: Metadata) -> int | None:
    """Return the id of the current snapshot, ``None`` for a table that was never written."""
    current = metadata.get("current-snapshot-id")
    return None if current in (None, _NO_SNAPSHOT) else int(current)


def snapshots(metadata: Metadata) -> dict[int, dict[str, Any]]:
    """Return all snapshots by id."""
    return {int(snapshot["snapshot-id"]): snapshot for snapshot in metadata.get("snapshots") or []}


def ancestry(metadata: Metadata, start: int | None) -> list[dict[str, Any]]:
    """Return the snapshot ``start`` and its ancestors, as far as they have not expired, newest first."""
    known, found = snapshots(metadata), []
    while start is not None and start in known:
        found.append(known[start])
        start = known[start].get("parent-snapshot-id")
    return found


def guarded(metadata: Metadata, location: str, now: int) -> Metadata:
    """Return the metadata of a clone of the table whose metadata file is ``location``; ``now`` in milliseconds."""
    return {**_next(metadata, location, now), "properties": {**metadata.get("properties", {}), **GUARDS}}


def unguarded(metadata: Metadata, original: Mapping[str, str]) -> Metadata:
    """Give the guarding properties the values they had in the ``original``, unless the run itself has set others."""
    properties = dict(metadata.get("properties", {}))
    for key, value in GUARDS.items():
        if properties.get(key) == value:
            del properties[key]
            properties |= {key: original[key]} if key in original else {}
    return {**metadata, "properties": properties}


def tagged(metadata: Metadata, location: str, tag: str, now: int, keep: int) -> Metadata | None:
    """Return the metadata with ``tag`` on the current snapshot, to be kept ``keep`` milliseconds from ``now``.

    ``None`` for a table that has no snapshot to tag. An engine that expires references compares their greatest age
    with the age of the snapshot, so an old snapshot's tag is given that age besides.
    """
    if current_snapshot(metadata) is None:
        return None
    return with_tag(_next(metadata, location, now), tag, now, keep)


def with_tag(metadata: Metadata, tag: str, now: int, keep: int) -> Metadata:
    """Return the same version of the metadata with the tag on its current snapshot, if it has one."""
    current = current_snapshot(metadata)
    if current is None:
        return metadata
    age = max(0, now - int(snapshots(metadata)[current]["timestamp-ms"]))
    reference = {"snapshot-id": current, "type": "tag", "max-ref-age-ms": age + keep}
    return {**metadata, "refs": {**_references(metadata), tag: reference}}


def untagged(metadata: Metadata, tag: str) -> Metadata:
    """Return the metadata without the tag."""
    return {**metadata, "refs": {name: value for name, value in _references(metadata).items() if name != tag}}


def same_data(one: State, other: State) -> bool:
    """Whether readers see the same in both states; properties do not matter to them."""
    return (one.kind, one.snapshot, one.schema) == (other.kind, other.snapshot, other.schema)


def rewritten_since(metadata: Metadata, state: State) -> bool:
    """Whether the table's rows are those of ``state``, only maintained since: files rewritten, manifests left out."""
    if metadata.get("current-schema-id") != state.schema:
        return False
    for snapshot in ancestry(metadata, current_snapshot(metadata)):
        if snapshot["snapshot-id"] == state.snapshot:
            return True
        summary = snapshot.get("summary", {})
        if summary.get("operation") != "replace" and MAINTENANCE not in summary:
            return False
    return current_snapshot(metadata) is None and state.snapshot is None


def changed_since(cloned: Metadata, now: Metadata) -> list[str]:
    """Name the parts in which a table differs from when it was ``cloned``, but for those :func:`rebased` takes over."""
    if cloned == now:
        return []
    one, other = _compared(cloned), _compared(now)
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def rebased(metadata: Metadata, cloned: Metadata, now: Metadata) -> Metadata:
    """Return what a run made of a clone, ``metadata``, with the tags and statistics the original has ``now``.

    A tag or statistics file that the run itself has set since it was ``cloned`` stays as the run has it.
    """
    known = snapshots(metadata)
    own, was = _references(metadata), _references(cloned)
    theirs = {name: one for name, one in _tags(now).items() if one["snapshot-id"] in known}
    ours = {name: one for name, one in own.items() if not _is_tag(one) or one != was.get(name)}
    made = {**metadata, "refs": {**theirs, **ours}}
    was_measured = _statistics(cloned)
    measured = {snapshot: one for snapshot, one in _statistics(now).items() if snapshot in known}
    measured |= {key: one for key, one in _statistics(metadata).items() if one != was_measured.get(key)}
    return {**made, "statistics": list(measured.values())} if measured or "statistics" in metadata else made


def missing_for(metadata: Metadata, state: State) -> str:
    """Say what of ``state`` the metadata no longer has; empty when the table can be brought back to it."""
    if state.snapshot is not None and state.snapshot not in snapshots(metadata):
        return f"snapshot {state.snapshot} has expired"
    for name, value, key, id_ in _parts(state):
        if value is not None and value not in {entry[id_] for entry in metadata.get(key, [])}:
            return f"{name} {value} is no longer in the table's metadata"
    return ""


def rolled_back(metadata: Metadata, location: str, state: State, now: int) -> Metadata:
    """Return the metadata with ``state`` current again. All snapshots stay, so this can be taken back as well."""
    new = _next(metadata, location, now)
    references = {name: value for name, value in _references(metadata).items() if name != MAIN}
    if state.snapshot is None:
        new |= {"current-snapshot-id": _NO_SNAPSHOT, "refs": references}
    else:
        main = {**_references(metadata).get(MAIN, {}), "snapshot-id": state.snapshot, "type": "branch"}
        entry = {"snapshot-id": state.snapshot, "timestamp-ms": new["last-updated-ms"]}
        log = [*metadata.get("snapshot-log", []), entry]
        new |= {"current-snapshot-id": state.snapshot, "refs": {**references, MAIN: main}, "snapshot-log": log}
    current = {
        "current-schema-id": state.schema,
        "default-spec-id": state.spec,
        "default-sort-order-id": state.order,
    }
    new |= {key: value for key, value in current.items() if value is not None}
    return _as_version_1(new)


def _parts(state: State) -> tuple[tuple[str, int | None, str, str], ...]:
    return (
        ("schema", state.schema, "schemas", "schema-id"),
        ("partitioning", state.spec, "partition-specs", "spec-id"),
        ("sort order", state.order, "sort-orders", "order-id"),
    )


def _as_version_1(metadata: Metadata) -> Metadata:
    """Repeat the current schema and partitioning where the first version of the format has them."""
    if metadata.get("format-version") != 1:
        return metadata
    schema = next(one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"])
    spec = next(one for one in metadata["partition-specs"] if one["spec-id"] == metadata["default-spec-id"])
    return {**metadata, "schema": schema, "partition-spec": spec["fields"]}


def _references(metadata: Metadata) -> dict[str, Any]:
    """Return branches and tags; the branch ``main`` is implied where the first version of the format says nothing."""
    references = dict(metadata.get("refs") or {})
    current = current_snapshot(metadata)
    if current is not None and MAIN not in references:
        references[MAIN] = {"snapshot-id": current, "type": "branch"}
    return references


def _is_tag(reference: Mapping[str, Any]) -> bool:
    return reference.get("type") == "tag"


def _tags(metadata: Metadata) -> dict[str, Any]:
    return {name: reference for name, reference in _references(metadata).items() if _is_tag(reference)}


def _statistics(metadata: Metadata) -> dict[int, dict[str, Any]]:
    return {int(file["snapshot-id"]): file for file in metadata.get("statistics") or []}


def _compared(metadata: Metadata) -> dict[str, Any]:
    """Return all that a publication cannot bring along from a table that has moved."""
    rest = {key: value for key, value in metadata.items() if key not in (*_BROUGHT_ALONG, "refs")}
    branches = {name: reference for name, reference in _references(metadata).items() if not _is_tag(reference)}
    made = _without_empty({**rest, "branches": branches, "current-snapshot-id": current_snapshot(metadata)})
    return dict(made)


def _without_empty(value: Any) -> Any:
    """Leave out what one engine writes as empty, and another not at all."""
    if isinstance(value, dict):
        kept = {key: _without_empty(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, [], {})}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


def _next(metadata: Metadata, location: str, now: int) -> Metadata:
    """Return a copy, to be changed, of the version that is in ``location``."""
    entry = {"timestamp-ms": metadata["last-updated-ms"], "metadata-file": location}
    most = int(metadata.get("properties", {}).get(*_PREVIOUS_VERSIONS))
    log = [*metadata.get("metadata-log", []), entry][-max(1, most) :]
    # Engines refuse a version that is older than the one before it, and clocks differ.
    return {**metadata, "metadata-log": log, "last-updated-ms": max(now, int(metadata["last-updated-ms"]))}
