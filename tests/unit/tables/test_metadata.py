from __future__ import annotations

from typing import Any

import pytest
from lakehold.tables import metadata
from lakehold.tables.metadata import State

DAY = 86_400_000
NOW = 1_800_000_000_000


def table(**changed: Any) -> dict[str, Any]:
    snapshots = [
        {"snapshot-id": 1, "timestamp-ms": NOW - 9 * DAY, "schema-id": 0, "summary": {"operation": "append"}},
        {"snapshot-id": 2, "parent-snapshot-id": 1, "timestamp-ms": NOW - 2 * DAY, "schema-id": 1}
        | {"summary": {"operation": "overwrite"}},
    ]
    return {
        "format-version": 2,
        "table-uuid": "u",
        "location": "s3://lakehouse/gold/t",
        "last-updated-ms": NOW - DAY,
        "properties": {"owner": "me"},
        "schemas": [{"schema-id": 0}, {"schema-id": 1}],
        "current-schema-id": 1,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-spec-id": 0,
        "sort-orders": [{"order-id": 0}],
        "default-sort-order-id": 0,
        "snapshots": snapshots,
        "current-snapshot-id": 2,
        "refs": {"main": {"snapshot-id": 2, "type": "branch"}},
        "snapshot-log": [{"snapshot-id": 1, "timestamp-ms": NOW - 9 * DAY}],
        "metadata-log": [],
        "something-newer": {"kept": True},
        **changed,
    }


def test_a_clone_refuses_to_lose_files_and_gets_its_own_values_back() -> None:
    original = table(properties={"gc.enabled": "true", "owner": "me"})
    clone = metadata.guarded(original, "s3://m/1.json", NOW)
    assert (
        clone["properties"]["gc.enabled"]
        == clone["properties"]["write.metadata.delete-after-commit.enabled"]
        == "false"
    )
    assert clone["metadata-log"] == [{"timestamp-ms": NOW - DAY, "metadata-file": "s3://m/1.json"}]
    assert clone["last-updated-ms"] == NOW
    assert clone["something-newer"] == {"kept": True}
    assert metadata.unguarded(clone, original["properties"])["properties"] == original["properties"]
    assert "gc.enabled" not in metadata.unguarded(clone, {})["properties"]
    clone["properties"]["gc.enabled"] = "true"
    assert metadata.unguarded(clone, {})["properties"]["gc.enabled"] == "true", "the run itself has set it"


def test_time_never_runs_backwards_and_the_log_does_not_grow_for_ever() -> None:
    log = [{"timestamp-ms": 1, "metadata-file": f"{number}"} for number in range(100)]
    late = metadata.guarded(table(**{"last-updated-ms": NOW + 5, "metadata-log": log}), "x", NOW)
    assert late["last-updated-ms"] == NOW + 5
    assert len(late["metadata-log"]) == 100
    short = table(properties={"write.metadata.previous-versions-max": "3"}, **{"metadata-log": log})
    assert [entry["metadata-file"] for entry in metadata.guarded(short, "x", NOW)["metadata-log"]] == ["98", "99", "x"]


def test_a_tag_lives_a_week_whatever_the_age_of_its_snapshot() -> None:
    made = metadata.tagged(table(), "x", "run_1", NOW, 7 * DAY)
    assert made is not None
    assert made["refs"]["run_1"] == {"snapshot-id": 2, "type": "tag", "max-ref-age-ms": 9 * DAY}
    assert made["refs"]["main"] == {"snapshot-id": 2, "type": "branch"}
    assert metadata.untagged(made, "run_1")["refs"] == table()["refs"]


@pytest.mark.parametrize("current", [None, -1])
def test_a_table_that_was_never_written_cannot_be_tagged(current: int | None) -> None:
    assert metadata.tagged(table(**{"current-snapshot-id": current, "refs": {}}), "x", "t", NOW, DAY) is None


def test_a_table_of_the_first_format_is_tagged_without_losing_main() -> None:
    made = metadata.tagged(table(refs=None), "x", "t", NOW, DAY)
    assert made is not None
    assert set(made["refs"]) == {"main", "t"}


def test_compaction_is_no_change_and_a_write_or_another_schema_is() -> None:
    published = State(snapshot=2, schema=1)

    def after(operation: str, *, by: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        snapshot = {"snapshot-id": 3, "parent-snapshot-id": 2, "summary": {"operation": operation, **(by or {})}}
        return table(snapshots=[*table()["snapshots"], snapshot], **{"current-snapshot-id": 3, **more})

    assert metadata.rewritten_since(table(), published)
    assert metadata.rewritten_since(after("replace"), published)
    assert not metadata.rewritten_since(after("append"), published)
    assert metadata.rewritten_since(after("append", by={metadata.MAINTENANCE: "prune"}), published)
    assert not metadata.rewritten_since(after("replace", **{"current-schema-id": 0}), published)
    assert not metadata.rewritten_since(table(), State(snapshot=7, schema=1))


def test_rolling_back_keeps_all_snapshots_and_goes_both_ways() -> None:
    before = State(snapshot=1, schema=0, spec=0, order=0, properties={"owner": "me"})
    back = metadata.rolled_back(table(), "s3://m/7.json", before, NOW)
    assert metadata.state_of(back) == before
    assert back["refs"]["main"]["snapshot-id"] == 1
    assert back["snapshot-log"][-1] == {"snapshot-id": 1, "timestamp-ms": NOW}
    assert len(back["snapshots"]) == 2
    again = metadata.rolled_back(back, "s3://m/8.json", metadata.state_of(table()), NOW)
    assert metadata.state_of(again) == metadata.state_of(table())


def test_a_table_can_go_back_to_having_no_rows() -> None:
    empty = metadata.rolled_back(table(), "x", State(schema=0, spec=0, order=0), NOW)
    assert metadata.current_snapshot(empty) is None
    assert empty["refs"] == {}


def test_the_first_format_repeats_its_schema() -> None:
    old = table(**{"format-version": 1, "schema": {"schema-id": 1}, "partition-spec": []})
    back = metadata.rolled_back(old, "x", State(snapshot=1, schema=0, spec=0, order=0), NOW)
    assert back["schema"] == {"schema-id": 0}


def test_what_has_expired_is_said_and_not_guessed() -> None:
    assert metadata.missing_for(table(), State(snapshot=1, schema=0, spec=0, order=0)) == ""
    assert "snapshot 5 has expired" in metadata.missing_for(table(), State(snapshot=5))
    assert "schema 9" in metadata.missing_for(table(), State(snapshot=1, schema=9))


def test_other_runs_tags_are_taken_along() -> None:
    tag = {"snapshot-id": 2, "type": "tag"}
    other = table(refs={"main": {"snapshot-id": 2, "type": "branch"}, "theirs": tag, "lost": {**tag, "snapshot-id": 9}})
    mine = table(refs={"main": {"snapshot-id": 1, "type": "branch"}})
    assert metadata.rebased(mine, table(), other)["refs"] == {"main": mine["refs"]["main"], "theirs": tag}


def test_what_others_and_the_run_did_to_tags_and_statistics_meets() -> None:
    one, two = {"snapshot-id": 1, "type": "tag"}, {"snapshot-id": 2, "type": "tag"}
    main, old = {"main": {"snapshot-id": 2, "type": "branch"}}, {"snapshot-id": 1, "statistics-path": "old"}
    cloned = table(refs={**main, "dropped": one, "moved": one, "ours": one}, statistics=[old])
    now = table(
        refs={**main, "moved": two, "ours": one, "new": two},
        statistics=[{**old, "statistics-path": "new"}, {"snapshot-id": 9, "statistics-path": "of one the run lacks"}],
    )
    mine = table(
        refs={**cloned["refs"], "main": {"snapshot-id": 1, "type": "branch"}, "ours": two},
        statistics=[old, {"snapshot-id": 2, "statistics-path": "ours"}],
    )
    assert not metadata.changed_since(cloned, now)
    made = metadata.rebased(mine, cloned, now)
    assert made["refs"] == {"main": mine["refs"]["main"], "moved": two, "ours": two, "new": two}
    assert [file["statistics-path"] for file in made["statistics"]] == ["new", "ours"]
    assert "statistics" not in metadata.rebased(table(), table(), table())


def test_a_run_that_emptied_the_table_has_emptied_it() -> None:
    emptied = table(**{"current-snapshot-id": -1, "refs": {}})
    assert metadata.rebased(emptied, table(), table())["refs"] == {}


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"refs": {**table()["refs"], "x": {"snapshot-id": 1, "type": "branch"}}}, "branches"),
        ({"snapshots": table()["snapshots"][1:]}, "snapshots"),
        ({"properties": {"owner": "you"}}, "properties"),
        ({"current-snapshot-id": 1}, "current-snapshot-id"),
        ({"partition-statistics": [{"snapshot-id": 2}]}, "partition-statistics"),
        ({"something-newer": {"kept": False}}, "something-newer"),
    ],
)
def test_what_a_publication_would_undo_is_named(changed: dict[str, Any], parts: str) -> None:
    assert metadata.changed_since(table(), table(**changed)) == [parts]


def test_what_another_engine_only_spells_otherwise_is_no_change() -> None:
    later = {"last-updated-ms": NOW, "metadata-log": [{"timestamp-ms": 1, "metadata-file": "x"}]}
    assert not metadata.changed_since(table(), table(refs=None, statistics=[], **later))
    schemas = [{"schema-id": 0, "identifier-field-ids": []}, {"schema-id": 1}]
    assert not metadata.changed_since(table(), table(schemas=schemas, **{"partition-statistics": []}))
    never = {"refs": {}, "snapshots": []}
    absent = {**table(**never), "current-snapshot-id": None}
    assert not metadata.changed_since(absent, table(**never, **{"current-snapshot-id": -1}))
