"""What OpenMetadata is sent, without anybody to send it to."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lakehold.lineage.sinks.openmetadata import dialect, payloads
from lakehold.lineage.sinks.openmetadata.names import fit, fqn, link, text
from lakehold.lineage.sinks.openmetadata.records import ColumnPair, DagRun, Field, Node, Result, TaskState
from lakehold.lineage.sinks.openmetadata.sent import key
from lakehold.lineage.sinks.openmetadata.types import column_type

NEW, OLD = dialect.of("2.0.6"), dialect.of("1.2.0-SNAPSHOT")
AT = datetime(2026, 11, 21, 8, 30, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("long", {"dataType": "BIGINT"}),
        ("bigint", {"dataType": "BIGINT"}),
        ("INTEGER", {"dataType": "INT"}),
        ("decimal(12,2)", {"dataType": "DECIMAL", "precision": 12, "scale": 2}),
        ("decimal(12, 2)", {"dataType": "DECIMAL", "precision": 12, "scale": 2}),
        ("string", {"dataType": "STRING"}),
        ("varchar", {"dataType": "VARCHAR", "dataLength": 1}),
        ("varchar(10)", {"dataType": "VARCHAR", "dataLength": 10}),
        ("timestamp(6) with time zone", {"dataType": "TIMESTAMPZ"}),
        ("timestamptz", {"dataType": "TIMESTAMPZ"}),
        ("timestamp(6)", {"dataType": "TIMESTAMP"}),
        ("array(bigint)", {"dataType": "ARRAY", "arrayDataType": "BIGINT"}),
        ("list<string>", {"dataType": "ARRAY", "arrayDataType": "STRING"}),
        ("array<struct<a:int>>", {"dataType": "ARRAY", "arrayDataType": "STRUCT"}),
        ("array", {"dataType": "ARRAY", "arrayDataType": "UNKNOWN"}),
        ("struct<a: int, b: string>", {"dataType": "STRUCT", "children": []}),
        ("row(a integer, b array(varchar(10)))", {"dataType": "STRUCT", "children": []}),
        ("map<string, long>", {"dataType": "MAP"}),
        ("fixed[16]", {"dataType": "FIXED"}),
        (f"varchar({10**30})", {"dataType": "VARCHAR", "dataLength": 1}),
        (f"decimal({'9' * 5000})", {"dataType": "DECIMAL"}),
        ("binary", {"dataType": "BINARY", "dataLength": 1}),
        ("hyperloglog", {"dataType": "UNKNOWN"}),
        ("", {"dataType": "UNKNOWN"}),
    ],
)
def test_types(type_: str, expected: dict[str, object]) -> None:
    found = column_type(type_)
    assert found.pop("dataTypeDisplay") == (type_.lower() or "unknown")
    assert found == expected


def test_names() -> None:
    assert fqn("trino", "lakehouse", "gold", "a.b", 'c"d') == 'trino.lakehouse.gold."a.b"."c\\"d"'
    assert link("s.d.t") == "<#E::table::s.d.t>"
    assert link("s.d.t", "c") == "<#E::table::s.d.t::columns::c>"
    assert text("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"
    long = [fit("x" * 300 + end) for end in "ab"]
    assert [len(name) for name in long] == [256, 256]
    assert long[0] != long[1]
    assert "::" not in fit("a::b")


def test_the_book_of_what_was_sent_can_hold_every_name() -> None:
    assert key("tag:Airflow:main") == "tag:Airflow:main"
    odd = [key(f"tag:Airflow:{name}") for name in ("x" * 5000 + "a", "x" * 5000 + "b", "ä" * 300, "a\x00b")]
    assert len(set(odd)) == 4
    assert all(len(one.encode()) <= 500 and "\x00" not in one for one in odd)


def test_dialects_differ_where_it_is_known_that_they_do() -> None:
    assert (OLD.edge_source, NEW.edge_source) == ("PipelineLineage", "OpenLineage")
    assert (OLD.suite_path, NEW.suite_path) == ("/dataQuality/testSuites/executable", "/dataQuality/testSuites/basic")
    assert (OLD.owners, NEW.owners) == ("owner", "owners")
    assert dialect.of("1.4.0").edge_source == "OpenLineage"
    assert dialect.of("whatever").version == (2, 0)


@pytest.mark.parametrize(
    ("reason", "sent", "change"),
    [
        ('400 Unrecognized field "owners" (class x)', "{}", {"owners": "owner"}),
        ("500 An exception with message [HTTP 405 Method Not Allowed]", "POST /dataQuality/testSuites/basic",
         {"basic_suites": False}),
        ("405 Method Not Allowed (this version has no such request)", "POST /dataQuality/testSuites/basic",
         {"basic_suites": False}),
        ("404 HTTP 404 Not Found", "POST /dataQuality/testCases/testCaseResults/a", {"basic_suites": False}),
        ("400 [testSuite must not be null]", "PUT /dataQuality/testCases", {"basic_suites": False}),
        ('400 Unrecognized field "schemaDefinition"', "{}", {"view_text": "viewDefinition"}),
        ("400 Cannot construct instance of `org.openmetadata.schema.type.LineageDetails$Source`", "{}",
         {"edge_source": "PipelineLineage"}),
        ('400 Unrecognized field "extension"', "{}", None),
        ("404 table instance for a.b not found", "PUT /lineage", None),
        ("404 testCase instance for a.b not found", "POST /dataQuality/testCases/testCaseResults/a.b", None),
    ],
)  # fmt: skip
def test_a_server_that_refuses_a_word_is_told_the_other_one(
    reason: str, sent: str, change: dict[str, object] | None
) -> None:
    expected = None if change is None else replace(NEW, **change)  # type: ignore[arg-type]  # as the parameters say
    assert dialect.after(NEW, reason, sent) == expected


def test_what_airflow_says_of_tasks_may_be_anything() -> None:
    tasks = {"load": {"downstream_task_ids": [["a list"], {"a": 1}, None, "check"], "operator": 7}, "check": {}}
    run = DagRun(run_id="r", dag="d", state="COMPLETE", started_at=AT, ended_at=None, tasks=tasks)
    payload = payloads.pipeline("s", run, NEW, airflow_url="", owners=[], tags=[])
    assert [task.get("downstreamTasks") for task in payload["tasks"]] == [None, ["check"]]


def test_a_task_of_a_group_is_shown_by_its_whole_name() -> None:
    tasks = {"gold.gate": {"ui_label": "gate"}, "gate": {"ui_label": "The gate"}, "plain": {}}
    run = DagRun(run_id="r", dag="d", state="COMPLETE", started_at=AT, ended_at=None, tasks=tasks)
    payload = payloads.pipeline("s", run, NEW, airflow_url="", owners=[], tags=[])
    shown = {task["name"]: task.get("displayName") for task in payload["tasks"]}
    assert shown == {"gold.gate": None, "gate": "The gate", "plain": None}


def field(name: str, type_: str = "int") -> Field:
    return Field(name=name, type=type_, description="")


def test_columns_nest_where_their_table_has_what_they_are_part_of() -> None:
    columns = payloads.columns([field("id"), field("place", "struct<city:string>"), field("place.city"), field("a.b")])
    assert [column["name"] for column in columns] == ["id", "place", "a.b"]
    assert [child["name"] for child in columns[1]["children"]] == ["city"]
    names = {"id", "place", "place.city", "a.b"}
    assert payloads.column_path("place.city", names) == ["place", "city"]
    assert payloads.column_path("a.b", names) == ["a.b"]


def test_a_column_that_is_no_more_is_left_out_of_an_edge() -> None:
    pairs = [
        ColumnPair(source="a", target="x", direct=True, how="IDENTITY", expression=""),
        ColumnPair(source="b", target="x", direct=True, how="TRANSFORMATION", expression="a + b"),
        ColumnPair(source="gone", target="x", direct=True, how="IDENTITY", expression=""),
        ColumnPair(source="a", target="gone", direct=True, how="IDENTITY", expression=""),
    ]
    assert payloads.mapping(pairs, ("s.t", {"a", "b"}), ("s.u", {"x"})) == [
        {"fromColumns": ["s.t.a", "s.t.b"], "toColumn": "s.u.x", "function": "IDENTITY; a + b"}
    ]


def test_an_unknown_task_is_left_out_of_a_status() -> None:
    states = [TaskState(name="load", state="success", started_at=AT), TaskState(name="new", state="failed")]
    run = DagRun(run_id="r", dag="d", state="FAIL", started_at=AT, ended_at=None, states=states)
    assert payloads.status(run, {"load"}) == {
        "timestamp": 1795249800123,
        "executionStatus": "Failed",
        "taskStatus": [{"name": "load", "executionStatus": "Successful", "startTime": 1795249800123}],
    }


def test_a_view_has_its_statement_in_each_version_s_words() -> None:
    node = Node(
        node_id=1, namespace="lakehouse", name="gold.v", kind="view", description="", fields=[], view_sql="SELECT 1"
    )
    for words, name in ((OLD, "viewDefinition"), (NEW, "schemaDefinition")):
        payload = payloads.table("s.d.gold", node, words, owners=[], tags=[])
        assert (payload["tableType"], payload[name], payload["name"]) == ("View", "SELECT 1", "v")


def test_a_result_says_what_was_found() -> None:
    details = {"assertion": "no_rows_where", "actual": 3, "severity": "warn", "description": "why"}
    result = Result(node_id=1, column="", name="rule", success=False, at=AT, details=details)
    assert payloads.outcome(result)["result"] == "warn: actual 3"
    case = payloads.case(result, "s.d.gold.t", "no_rows_where", OLD)
    assert (case["testSuite"], case["entityLink"], case["description"]) == (
        "s.d.gold.t.testSuite",
        "<#E::table::s.d.gold.t>",
        "why",
    )
    assert "testSuite" not in payloads.case(result, "s.d.gold.t", "no_rows_where", NEW)
