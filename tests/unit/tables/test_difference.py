"""The difference of two metadata, applied to the first as a REST catalog applies it, gives the second."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakehold.errors import DataError
from lakehold.tables.difference import before_tag, requirements, restoration, tag, touched_refs, updates
from lakehold.tables.metadata import GUARDS, current_snapshot, state_of

Metadata = dict[str, Any]
LISTS = {"schemas": "schema-id", "partition-specs": "spec-id", "sort-orders": "order-id"}


def new_table() -> Metadata:
    return {
        "format-version": 2,
        "table-uuid": "11111111-1111-1111-1111-111111111111",
        "location": "s3://lakehouse/silver/t",
        "last-sequence-number": 0,
        "last-column-id": 1,
        "current-schema-id": 0,
        "schemas": [schema(0, {"a": 1})],
        "default-spec-id": 0,
        "last-partition-id": 999,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {},
        "snapshots": [],
        "current-snapshot-id": -1,
        "refs": {},
        "statistics": [],
    }


def schema(number: int, columns: dict[str, int]) -> dict[str, Any]:
    fields = [{"id": key, "name": name, "type": "long", "required": False} for name, key in columns.items()]
    return {"type": "struct", "schema-id": number, "fields": fields}


class Catalog:
    """Applies updates by the rules of the protocol: it hands out ids itself, and takes no snapshot out of order."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = copy.deepcopy(metadata)

    def commit(self, changes: list[dict[str, Any]], required: list[dict[str, Any]] | None = None) -> Metadata:
        assert all(self.holds(requirement) for requirement in required or [])
        for change in copy.deepcopy(changes):
            getattr(self, change.pop("action").replace("-", "_"))(**{k.replace("-", "_"): v for k, v in change.items()})
        return self.metadata

    def holds(self, requirement: dict[str, Any]) -> bool:
        kind = requirement["type"].removeprefix("assert-")
        if kind == "ref-snapshot-id":
            found = self.metadata["refs"].get(requirement["ref"], {}).get("snapshot-id")
            return bool(found == requirement["snapshot-id"])
        key = {"last-assigned-field-id": "last-column-id", "last-assigned-partition-id": "last-partition-id"}
        wanted = next(value for name, value in requirement.items() if name != "type")
        return bool(self.metadata[key.get(kind, kind)] == wanted)

    def upgrade_format_version(self, format_version: int) -> None:
        assert format_version > self.metadata["format-version"]
        self.metadata["format-version"] = format_version

    def set_location(self, location: str) -> None:
        self.metadata["location"] = location

    def set_properties(self, updates: dict[str, str]) -> None:
        assert updates
        self.metadata["properties"].update(updates)

    def remove_properties(self, removals: list[str]) -> None:
        for key in removals:
            del self.metadata["properties"][key]

    def add_schema(self, schema: dict[str, Any]) -> None:
        self.add("schemas", schema)
        ids = [field["id"] for field in schema["fields"]]
        self.metadata["last-column-id"] = max(self.metadata["last-column-id"], *ids)

    def add_spec(self, spec: dict[str, Any]) -> None:
        self.add("partition-specs", spec)
        ids = [field["field-id"] for field in spec["fields"]]
        self.metadata["last-partition-id"] = max(self.metadata["last-partition-id"], *ids)

    def add_sort_order(self, sort_order: dict[str, Any]) -> None:
        self.add("sort-orders", sort_order)

    def add(self, listed: str, entry: dict[str, Any]) -> None:
        key = LISTS[listed]
        entry[key] = max(known[key] for known in self.metadata[listed]) + 1
        self.metadata[listed].append(entry)

    def set_current_schema(self, schema_id: int) -> None:
        self.choose("current-schema-id", "schemas", schema_id)

    def set_default_spec(self, spec_id: int) -> None:
        self.choose("default-spec-id", "partition-specs", spec_id)

    def set_default_sort_order(self, sort_order_id: int) -> None:
        self.choose("default-sort-order-id", "sort-orders", sort_order_id)

    def choose(self, chosen: str, listed: str, number: int) -> None:
        assert number in {entry[LISTS[listed]] for entry in self.metadata[listed]}
        self.metadata[chosen] = number

    def add_snapshot(self, snapshot: dict[str, Any]) -> None:
        assert snapshot["sequence-number"] > self.metadata["last-sequence-number"]
        self.metadata["last-sequence-number"] = snapshot["sequence-number"]
        self.metadata["snapshots"].append(snapshot)

    def set_snapshot_ref(self, ref_name: str, type: str, snapshot_id: int) -> None:  # noqa: A002  # the protocol's word
        assert snapshot_id in {snapshot["snapshot-id"] for snapshot in self.metadata["snapshots"]}
        self.metadata["refs"][ref_name] = {"type": type, "snapshot-id": snapshot_id}
        if ref_name == "main":
            self.metadata["current-snapshot-id"] = snapshot_id

    def remove_snapshot_ref(self, ref_name: str) -> None:
        del self.metadata["refs"][ref_name]
        if ref_name == "main":
            self.metadata["current-snapshot-id"] = -1

    def set_statistics(self, statistics: dict[str, Any]) -> None:
        others = [s for s in self.metadata["statistics"] if s["snapshot-id"] != statistics["snapshot-id"]]
        self.metadata["statistics"] = [*others, statistics]


class Engine:
    """Writes a table as an engine would: each method is one commit with one purpose; ``n`` makes it differ."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.catalog = Catalog.__new__(Catalog)
        self.catalog.metadata = metadata

    def columns(self) -> dict[str, int]:
        current = self.metadata["current-schema-id"]
        (found,) = [s for s in self.metadata["schemas"] if s["schema-id"] == current]
        return {field["name"]: field["id"] for field in found["fields"]}

    def new_schema(self, columns: dict[str, int]) -> None:
        for known in self.metadata["schemas"]:
            if known["fields"] == schema(0, columns)["fields"]:
                self.metadata["current-schema-id"] = known["schema-id"]
                return
        self.catalog.add_schema(schema(0, columns))
        self.metadata["current-schema-id"] = self.metadata["schemas"][-1]["schema-id"]

    def add_column(self, n: int) -> None:
        self.new_schema({**self.columns(), f"c{n}": self.metadata["last-column-id"] + 1})

    def drop_column(self, n: int) -> None:
        columns = self.columns()
        if len(columns) > 1:
            columns.pop(sorted(columns)[n % len(columns)])
            self.new_schema(columns)

    def partition(self, _n: int) -> None:
        field = {
            "name": "p",
            "transform": "identity",
            "source-id": 1,
            "field-id": self.metadata["last-partition-id"] + 1,
        }
        self.catalog.add_spec({"fields": [field]})
        self.metadata["default-spec-id"] = self.metadata["partition-specs"][-1]["spec-id"]

    def sort(self, _n: int) -> None:
        self.catalog.add_sort_order({"fields": [{"source-id": 1, "transform": "identity"}]})
        self.metadata["default-sort-order-id"] = self.metadata["sort-orders"][-1]["order-id"]

    def append(self, n: int) -> None:
        number = self.metadata["last-sequence-number"] + 1
        # Ids come from one counter here, so that an original and its shadow never draw the same.
        made = {"snapshot-id": number * 10_000 + n, "sequence-number": number, "timestamp-ms": number}
        self.catalog.add_snapshot({**made, "schema-id": self.metadata["current-schema-id"]})
        self.catalog.set_snapshot_ref("main", "branch", made["snapshot-id"])

    def name_it(self, n: int) -> None:
        if "main" in self.metadata["refs"]:
            self.catalog.set_snapshot_ref(f"t{n % 3}", "tag", self.metadata["refs"]["main"]["snapshot-id"])

    def drop_name(self, n: int) -> None:
        self.metadata["refs"].pop(f"t{n % 3}", None)

    def empty(self, _n: int) -> None:
        if "main" in self.metadata["refs"]:
            self.catalog.remove_snapshot_ref("main")

    def set_property(self, n: int) -> None:
        self.metadata["properties"][f"k{n % 3}"] = str(n)

    def drop_property(self, n: int) -> None:
        self.metadata["properties"].pop(f"k{n % 3}", None)

    def move(self, n: int) -> None:
        self.metadata["location"] = f"s3://lakehouse/silver/t-{n}"

    def upgrade(self, _n: int) -> None:
        self.metadata["format-version"] = 3

    def analyze(self, n: int) -> None:
        if "main" in self.metadata["refs"]:
            number = self.metadata["refs"]["main"]["snapshot-id"]
            self.catalog.set_statistics({"snapshot-id": number, "statistics-path": f"s3://{number}-{n}.stats"})


WORK = [name for name in vars(Engine) if not name.startswith("_") and name not in ("columns", "new_schema")]
works = st.lists(st.tuples(st.sampled_from(WORK), st.integers(0, 999)), max_size=12)


def worked(metadata: Metadata, work: list[tuple[str, int]]) -> Metadata:
    metadata = copy.deepcopy(metadata)
    for name, number in work:
        getattr(Engine(metadata), name)(number)
    return metadata


def guarded(metadata: Metadata) -> Metadata:
    return {**metadata, "properties": {**metadata["properties"], **GUARDS}}


@settings(max_examples=300)
@given(before=works, run=works)
def test_the_published_table_becomes_the_shadow_and_keeps_its_history(before: Any, run: Any) -> None:
    base = worked(new_table(), before)
    shadow = worked(guarded(base), run)
    changes = updates(base, shadow)
    published = Catalog(base).commit(changes, requirements(base, touched_refs(changes)))
    kept = {name: ref for name, ref in base["refs"].items() if name not in shadow["refs"] and name != "main"}
    wanted = {key: value for key, value in shadow["properties"].items() if key not in GUARDS}
    assert published == {**shadow, "refs": {**shadow["refs"], **kept}, "properties": wanted}
    assert updates(published, shadow) == []


@given(before=works)
def test_a_shadow_nobody_wrote_to_differs_in_nothing(before: Any) -> None:
    base = worked(new_table(), before)
    assert updates(base, guarded(base)) == []


@given(before=works, run=works, meanwhile=works)
def test_a_table_that_moved_meanwhile_no_longer_meets_the_requirements(before: Any, run: Any, meanwhile: Any) -> None:
    base = worked(new_table(), before)
    changes = updates(base, worked(guarded(base), run))
    found = Catalog(worked(base, meanwhile))
    unmet = [required for required in requirements(base, touched_refs(changes)) if not found.holds(required)]
    guarding = ("current-schema-id", "default-spec-id", "default-sort-order-id", "last-column-id", "last-partition-id")
    seen = [current_snapshot(base), *(base[key] for key in guarding)]
    if seen != [current_snapshot(found.metadata), *(found.metadata[key] for key in guarding)]:
        assert unmet


@settings(max_examples=200)
@given(before=works, run=works)
def test_taking_a_run_back_shows_readers_what_they_saw_before(before: Any, run: Any) -> None:
    base = worked(new_table(), before)
    published = Catalog(base).commit(updates(base, worked(guarded(base), run)))
    back = Catalog(published).commit(restoration(published, state_of(base)))
    seen = ("current-snapshot-id", "current-schema-id", "default-spec-id", "default-sort-order-id")
    assert [back[key] for key in seen] == [base[key] for key in seen]
    assert back["snapshots"] == published["snapshots"]


def test_expired_snapshots_and_dropped_tags_of_a_shadow_stay_in_the_published_table() -> None:
    base = worked(new_table(), [("append", 1), ("name_it", 0), ("append", 2)])
    shadow = copy.deepcopy(guarded(base))
    del shadow["snapshots"][0], shadow["refs"]["t0"]
    assert updates(base, shadow) == []


def test_the_guard_of_a_shadow_never_reaches_the_published_table() -> None:
    base = {**new_table(), "properties": {"gc.enabled": "true", "owner": "me"}}
    assert updates(base, guarded(base)) == []
    assert updates(base, {**base, "properties": {"owner": "me"}}) == []
    kept = {**base, "properties": {"owner": "me", "gc.enabled": "yes"}}
    assert updates(base, kept) == [{"action": "set-properties", "updates": {"gc.enabled": "yes"}}]


def test_a_table_made_anew_in_the_shadow_is_refused_with_the_way_out() -> None:
    other = {**new_table(), "table-uuid": "22222222-2222-2222-2222-222222222222"}
    with pytest.raises(DataError, match="dropped in the shadow and made anew") as refused:
        updates(new_table(), other)
    assert "CREATE OR REPLACE" in refused.value.remedy


def test_ids_that_a_catalog_would_not_give_again_are_refused() -> None:
    shadow = copy.deepcopy(new_table())
    shadow["schemas"].append(schema(2, {"a": 1, "b": 2}))
    with pytest.raises(DataError, match="schema-id 2 would come out as 1"):
        updates(new_table(), shadow)


def test_the_runs_tag_names_what_readers_see_and_an_empty_table_has_none() -> None:
    assert tag(new_table(), "run_x", 100, 7) == []
    written = {**worked(new_table(), [("append", 1)]), "last-updated-ms": 1}
    change = {"action": "set-snapshot-ref", "ref-name": "run_x", "type": "tag", "snapshot-id": 10_001}
    assert tag(written, "run_x", 100, 7) == [{**change, "max-ref-age-ms": 99 + 7}]


def test_what_readers_saw_before_the_run_gets_a_tag_of_its_own_where_they_see_something_else() -> None:
    base = worked(new_table(), [("append", 1)])
    shadow = worked(base, [("append", 2)])
    (made,) = before_tag(base, shadow, "run_x", 50, 1000)
    assert (made["ref-name"], made["snapshot-id"], made["type"]) == ("before_run_x", current_snapshot(base), "tag")
    assert made["max-ref-age-ms"] == 50 - base["snapshots"][0]["timestamp-ms"] + 1000
    for unmoved in (base, worked(base, [("set_property", 1)])):
        assert before_tag(base, unmoved, "run_x", 50, 1000) == []
    assert before_tag(new_table(), worked(new_table(), [("append", 1)]), "run_x", 50, 1000) == []


def test_metadata_of_the_first_format_version_may_have_no_refs() -> None:
    old = {**worked(new_table(), [("append", 1)]), "current-snapshot-id": 10_001}
    del old["refs"]
    assert current_snapshot(old) == 10_001
    assert updates(old, {**old, "refs": {"main": {"snapshot-id": 10_001, "type": "branch"}}}) == []
