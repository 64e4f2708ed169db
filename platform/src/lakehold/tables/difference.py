"""What a shadow's metadata says that its base's does not, as requirements and updates of Iceberg's REST protocol.

Everything here is a pure function of table metadata as the REST protocol spells it (JSON objects, see the table spec).
A difference only ever adds to the published table: snapshots, schemas, specs and refs that are gone from the shadow
stay where they are, so that the published table keeps its history and nobody's tag is lost. The one thing taken away
is the branch ``main`` of a table that the shadow has replaced by an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from lakehold.errors import DataError
from lakehold.tables.metadata import BEFORE, GUARDS, MAIN, State, current_snapshot, tag_on, tagged

Json = dict[str, Any]
Update = dict[str, Any]

_MEANING = ("representations", "default-namespace", "default-catalog")
"""What of a view's version says what the view means."""


def requirements(base: Json, touched: Iterable[str] = ()) -> list[Update]:
    """What must still hold of the published table when it moves: nothing that ``base`` says has changed.

    ``touched`` are names of refs the updates set; ``main`` is always guarded.
    """
    known = _refs(base)
    names = dict.fromkeys((MAIN, *touched))
    return [
        {"type": "assert-table-uuid", "uuid": base["table-uuid"]},
        *(
            {"type": "assert-ref-snapshot-id", "ref": name, "snapshot-id": known.get(name, {}).get("snapshot-id")}
            for name in names
        ),
        {"type": "assert-current-schema-id", "current-schema-id": base["current-schema-id"]},
        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": base["last-column-id"]},
        {"type": "assert-default-spec-id", "default-spec-id": base["default-spec-id"]},
        {"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": base["last-partition-id"]},
        {"type": "assert-default-sort-order-id", "default-sort-order-id": base["default-sort-order-id"]},
    ]


def updates(base: Json, shadow: Json, refs: Literal["new", "all"] = "new") -> list[Update]:
    """Turn ``base`` into ``shadow``; :class:`DataError` where the protocol has no way to say it.

    With ``refs="all"`` branches and tags that ``shadow`` does not have go as well.
    """
    if base["table-uuid"] != shadow["table-uuid"]:
        raise DataError(
            "a table was dropped in the shadow and made anew, which a REST catalog cannot publish in a transaction.",
            why="the new table has another identity, and the published one would lose its history",
            remedy="replace its content instead: CREATE OR REPLACE TABLE (dbt: on_table_exists='replace')",
        )
    return [
        *_format(base, shadow),
        *_location(base, shadow),
        *properties(base["properties"], shadow["properties"]),
        *_schemas(base, shadow),
        *_specs(base, shadow),
        *_orders(base, shadow),
        *_snapshots(base, shadow),
        *_moved_refs(base, shadow, refs),
        *_statistics(base, shadow),
    ]


def view_updates(view: Json, version: Json, columns: Json) -> list[Update]:
    """Make a view say what ``version`` says, with these columns; it may have said so before."""
    for known in view["versions"]:
        if all(known.get(key) == version.get(key) for key in _MEANING):
            return [{"action": "set-current-view-version", "view-version-id": known["version-id"]}]
    schema = next((one["schema-id"] for one in view["schemas"] if one["fields"] == columns["fields"]), None)
    # -1: whatever number the catalog gives what was added last; nothing is, where it has the like of it.
    return [
        *([{"action": "add-schema", "schema": columns}] if schema is None else []),
        {"action": "add-view-version", "view-version": {**version, "schema-id": -1 if schema is None else schema}},
        {"action": "set-current-view-version", "view-version-id": -1},
    ]


def tag(metadata: Json, name: str, now: int, keep: int) -> list[Update]:
    """Name what readers see of ``metadata``, for ``keep`` milliseconds; nothing for a table without a snapshot."""
    made = tagged(metadata, "", name, now, keep)
    return [] if made is None else [{"action": "set-snapshot-ref", "ref-name": name, **made["refs"][name]}]


def before_tag(base: Json, shadow: Json, name: str, now: int, keep: int) -> list[Update]:
    """Name what readers see of ``base`` where they will not see it in the shadow, so that it does not expire."""
    before = current_snapshot(base)
    made = None if before == current_snapshot(shadow) else tag_on(base, before, now, keep)
    return [] if made is None else [{"action": "set-snapshot-ref", "ref-name": f"{BEFORE}{name}", **made}]


def touched_refs(changes: Iterable[Update]) -> list[str]:
    """Names of the refs that updates set or remove."""
    return [change["ref-name"] for change in changes if "ref-name" in change]


def restoration(now: Json, before: State) -> list[Update]:
    """Make readers of the table see what they saw in ``before``; snapshots made since stay in its history."""
    changes: list[Update] = [
        {"action": f"set-{what}", key: wanted}
        for what, key, listed, wanted in (
            ("current-schema", "schema-id", "current-schema-id", before.schema),
            ("default-spec", "spec-id", "default-spec-id", before.spec),
            ("default-sort-order", "sort-order-id", "default-sort-order-id", before.order),
        )
        if wanted is not None and now[listed] != wanted
    ]
    if current_snapshot(now) != before.snapshot:
        changes.append(_main(before.snapshot))
    return changes


def properties(base: Json, shadow: Json) -> list[Update]:
    """Turn the properties of ``base`` into the shadow's; a clone's guards stay behind, unless a run has set others."""
    wanted = {key: value for key, value in shadow.items() if GUARDS.get(key) != value}
    changed = {key: value for key, value in wanted.items() if base.get(key) != value}
    gone = sorted(key for key in base if key not in wanted and key not in GUARDS)
    return [
        *([{"action": "set-properties", "updates": changed}] if changed else []),
        *([{"action": "remove-properties", "removals": gone}] if gone else []),
    ]


def _main(snapshot: int | None) -> Update:
    if snapshot is None:
        return {"action": "remove-snapshot-ref", "ref-name": MAIN}
    return {"action": "set-snapshot-ref", "ref-name": MAIN, "type": "branch", "snapshot-id": snapshot}


def _refs(metadata: Json) -> dict[str, Any]:
    """Refs by name; metadata of the first format version may only say which snapshot is current."""
    refs = dict(metadata.get("refs") or {})
    current = current_snapshot(metadata)
    if MAIN not in refs and current is not None:
        refs[MAIN] = {"snapshot-id": current, "type": "branch"}
    return refs


def _format(base: Json, shadow: Json) -> list[Update]:
    if base["format-version"] == shadow["format-version"]:
        return []
    return [{"action": "upgrade-format-version", "format-version": shadow["format-version"]}]


def _location(base: Json, shadow: Json) -> list[Update]:
    return [] if base["location"] == shadow["location"] else [_set_location(shadow["location"])]


def _set_location(location: str) -> Update:
    return {"action": "set-location", "location": location}


def _schemas(base: Json, shadow: Json) -> list[Update]:
    added = _added(base, shadow, "schemas", "schema-id", lambda ids: max(ids, default=-1) + 1)
    changes: list[Update] = [{"action": "add-schema", "schema": schema} for schema in added]
    if base["current-schema-id"] != shadow["current-schema-id"]:
        changes.append({"action": "set-current-schema", "schema-id": shadow["current-schema-id"]})
    return changes


def _specs(base: Json, shadow: Json) -> list[Update]:
    added = _added(base, shadow, "partition-specs", "spec-id", lambda ids: max(ids, default=-1) + 1)
    changes: list[Update] = [{"action": "add-spec", "spec": spec} for spec in added]
    if base["default-spec-id"] != shadow["default-spec-id"]:
        changes.append({"action": "set-default-spec", "spec-id": shadow["default-spec-id"]})
    return changes


def _orders(base: Json, shadow: Json) -> list[Update]:
    # Order 0 means unsorted, in every table.
    added = _added(base, shadow, "sort-orders", "order-id", lambda ids: max(ids, default=0) + 1)
    changes: list[Update] = [{"action": "add-sort-order", "sort-order": order} for order in added]
    if base["default-sort-order-id"] != shadow["default-sort-order-id"]:
        changes.append({"action": "set-default-sort-order", "sort-order-id": shadow["default-sort-order-id"]})
    return changes


def _added(base: Json, shadow: Json, listed: str, key: str, following: Callable[[list[int]], int]) -> list[Json]:
    """What only the shadow lists, by id. Catalogs hand out ids themselves, so theirs must come out as the shadow's."""
    known = {entry[key]: entry for entry in base[listed]}
    added = sorted((entry for entry in shadow[listed] if entry[key] not in known), key=lambda entry: int(entry[key]))
    ids = list(known)
    for entry in added:
        if following(ids) != entry[key] and not (listed == "sort-orders" and entry[key] == 0):
            raise DataError(
                f"the shadow's {listed} cannot be published: {key} {entry[key]} would come out as {following(ids)}.",
                why="entries between it and the published table's last one were removed in the shadow",
                remedy="discard the shadow and run again, without removing schemas or partition specs meanwhile",
            )
        ids.append(entry[key])
    return added


def _snapshots(base: Json, shadow: Json) -> list[Update]:
    known = {snapshot["snapshot-id"] for snapshot in base.get("snapshots") or []}
    added = [snapshot for snapshot in shadow.get("snapshots") or [] if snapshot["snapshot-id"] not in known]
    added.sort(key=lambda snapshot: (snapshot.get("sequence-number", 0), snapshot["timestamp-ms"]))
    return [{"action": "add-snapshot", "snapshot": snapshot} for snapshot in added]


def _moved_refs(base: Json, shadow: Json, which: str) -> list[Update]:
    before, after = _refs(base), _refs(shadow)
    changes: list[Update] = [
        {"action": "set-snapshot-ref", "ref-name": name, **ref}
        for name, ref in sorted(after.items())
        if before.get(name) != ref
    ]
    gone = [name for name in sorted(before) if name not in after and (which == "all" or name == MAIN)]
    return changes + [{"action": "remove-snapshot-ref", "ref-name": name} for name in gone]


def _statistics(base: Json, shadow: Json) -> list[Update]:
    changes: list[Update] = []
    for listed, action, key in (
        ("statistics", "set-statistics", "statistics"),
        ("partition-statistics", "set-partition-statistics", "partition-statistics"),
    ):
        known = base.get(listed) or []
        changes += [{"action": action, key: entry} for entry in shadow.get(listed) or [] if entry not in known]
    return changes
