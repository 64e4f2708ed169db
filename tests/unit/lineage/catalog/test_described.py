"""What is read from metadata files, and what their snapshots name."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from lakehold.config import ancestry as config
from lakehold.lineage.catalog.coverage import percent
from lakehold.lineage.catalog.described import described, type_text
from lakehold.lineage.catalog.maker import maker_of
from lakehold.lineage.catalog.pointers import Name
from lakehold.lineage.graph.clues import clues_of
from lakehold.lineage.trino import run_id

TASK = "lakehold/flights_daily.bronze.load/013bf368-5800-7e11-a5f4-ac7a0434c387"


def column(id_: int, name: str, kind: Any = "string", **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "type": kind, "required": False, **more}


def table(**more: Any) -> dict[str, Any]:
    return {
        "format-version": 2,
        "location": "s3a://lakehouse/gold/delays-1f/",
        "last-updated-ms": 4_000,
        "current-schema-id": 1,
        "schemas": [
            {"schema-id": 0, "fields": [column(1, "day", "date")]},
            {"schema-id": 1, "fields": [column(2, "carrier", doc="Two letters"), column(1, "day", "date")]},
        ],
        "properties": {"comment": "How late flights were"},
        "snapshots": [
            {"snapshot-id": 7, "timestamp-ms": 2_000, "schema-id": 0, "summary": {"operation": "append"}},
            {"snapshot-id": 8, "parent-snapshot-id": 7, "timestamp-ms": 3_000, "schema-id": 1, "summary": {}},
        ],
        "metadata-log": [{"timestamp-ms": 1_000, "metadata-file": "s3://lakehouse/…"}],
        **more,
    }


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_a_table() -> None:
    found = described(table())
    assert (found.kind, found.location, found.description) == (
        "table",
        "s3://lakehouse/gold/delays-1f",
        "How late flights were",
    )
    assert [(one.name, one.type, one.position, one.description) for one in found.fields] == [
        ("carrier", "string", 0, "Two letters"),
        ("day", "date", 1, ""),
    ]
    assert [(one.id, one.parent, one.at, one.operation) for one in found.snapshots] == [
        (7, None, at(2_000), "append"),
        (8, 7, at(3_000), ""),
    ]
    assert (found.since, found.changed) == (at(1_000), at(4_000))


def test_a_column_is_as_old_as_the_first_snapshot_that_has_it() -> None:
    carrier, day = described(table()).fields
    assert (day.since, carrier.since) == (at(1_000), at(3_000))
    carrier, _ = described(table(snapshots=[])).fields
    assert carrier.since == at(4_000)


def test_a_column_that_got_another_name_is_new_under_that_one() -> None:
    before = {"schema-id": 0, "fields": [column(1, "day", "date")]}
    after = {"schema-id": 1, "fields": [column(1, "flight_date", "date")]}
    (renamed,) = described(table(schemas=[before, after])).fields
    assert (renamed.name, renamed.since) == ("flight_date", at(3_000))


def test_the_first_version_of_the_format_has_one_schema() -> None:
    old = table(schema={"fields": [column(1, "day", "date")]}, snapshots=[])
    del old["schemas"], old["current-schema-id"]
    assert [one.name for one in described(old).fields] == ["day"]


def test_types_in_words() -> None:
    struct = {"type": "struct", "fields": [column(3, "a", "int"), column(4, "b", {"type": "list", "element": "date"})]}
    assert type_text("decimal(9, 2)") == "decimal(9,2)"
    assert type_text({"type": "map", "key": "string", "value": struct}) == "map<string, struct<a: int, b: list<date>>>"


def test_a_view() -> None:
    version = {
        "version-id": 3,
        "timestamp-ms": 5_000,
        "schema-id": 0,
        "summary": {"engine-name": "trino"},
        "default-namespace": ["gold__audit_0123456789"],
        "representations": [{"type": "sql", "sql": "SELECT 1 a", "dialect": "trino"}],
    }
    found = described(
        {
            "view-uuid": "…",
            "location": "s3://lakehouse/gold/v",
            "current-version-id": 3,
            "versions": [version],
            "schemas": [{"schema-id": 0, "fields": [column(1, "a", "int")]}],
            "properties": {},
        }
    )
    assert (found.kind, [one.name for one in found.fields]) == ("view", ["a"])
    assert [(one.id, one.operation, one.at) for one in found.snapshots] == [(3, "view", at(5_000))]
    assert [(one.version, one.sql, one.dialect, one.schema) for one in found.texts] == [
        (3, "SELECT 1 a", "trino", "gold")
    ]


def test_what_postgresql_cannot_keep_is_replaced() -> None:
    odd = table(properties={"comment": "a\x00b\ud800"})
    assert described(odd).description == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def nested(depth: int) -> Any:
    kind: Any = "int"
    for _ in range(depth):
        kind = {"type": "list", "element": kind}
    return kind


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"location": 5, "last-updated-ms": 1},
        table(schemas=[]),
        table(snapshots=[{}]),
        table(**{"last-updated-ms": 10**30}),
        table(schemas=[{"schema-id": 1, "fields": [column(1, "deep", nested(5_000))]}]),
        {"view-uuid": "…", "location": "s3://lakehouse/gold/v", "current-version-id": 3, "versions": [], "schemas": []},
    ],
)
def test_what_is_no_metadata_is_said_to_be_none(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the metadata"):
        described(broken)


def test_names_of_shadows() -> None:
    shadow, own = Name("gold__audit_0123456789", "delays"), Name("gold__audit_log", "delays")
    assert (shadow.target, shadow.is_shadow) == (Name("gold", "delays"), True)
    assert (own.target, own.is_shadow) == (own, False)


def test_trino_s_run_id_is_made_of_the_query_s() -> None:
    assert str(run_id("20261121_150536_00001_rjktj")) == "7640af39-48bc-3533-83d3-98107cc96bdb"
    maker = maker_of({"trino_query_id": "20261121_150536_00001_rjktj"})
    assert (maker.engine, maker.run) == ("trino", run_id("20261121_150536_00001_rjktj"))


def test_what_a_snapshot_of_spark_names() -> None:
    maker = maker_of({"spark.app.id": "local-1", config.TASK: TASK})
    assert (maker.engine, maker.application) == ("spark", "local-1")
    assert maker.run == uuid.UUID("013bf368-5800-7e11-a5f4-ac7a0434c387")
    assert maker_of({config.TASK: "no task"}).run is None
    assert maker_of({config.TASK: "lakehold/a.b/no-run"}).run is None
    assert maker_of({}).engine == ""


def test_a_program_says_whose_part_it_is() -> None:
    by = config.of_environment({config.PARENT: TASK, config.ROOT_PARENT: "lakehold/flights_daily/x"})
    told = config.snapshot_properties("quality.results", by)
    assert told == {
        config.PROGRAM: "quality.results",
        config.TASK: TASK,
        config.ROOT: "lakehold/flights_daily/x",
    }
    by_hand = config.snapshot_properties("quality.results", config.Ancestry())
    assert by_hand == config.snapshot_properties("quality.results", config.Ancestry())
    assert maker_of(by_hand).run is not None
    assert config.ROOT not in by_hand


def test_clues_of_an_event() -> None:
    event = {
        "run": {"facets": {"spark_applicationDetails": {"applicationId": "local-1"}}},
        "outputs": [
            {"facets": {"version": {"datasetVersion": "8205822557647272283"}}},
            {"facets": {"version": {"datasetVersion": "no number"}}},
            {"facets": None},
            7,
        ],
    }
    assert list(clues_of(event)) == [("application", "local-1"), ("version", "8205822557647272283")]
    assert list(clues_of({"run": {"facets": {"spark_applicationDetails": {"applicationId": "x" * 300}}}})) == []
    assert list(clues_of({"run": None, "outputs": "text"})) == []


def test_a_hundred_percent_is_everything() -> None:
    assert (percent(0, 0), percent(1, 3), percent(99_999, 100_000), percent(7, 7)) == (100.0, 33.33, 99.99, 100.0)
