"""What Trino's own event listener posts becomes the event its OpenLineage listener would have sent, and more."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import pytest
from lakehold.config.ancestry import Ancestor, Ancestry, trino_tags
from lakehold.lineage.event import parse
from lakehold.lineage.jsontext import MalformedError
from lakehold.lineage.trino import dbt_node, run_event, run_id

TASK = Ancestor("lakehold", "flights_daily.gold.marts.build", "013bf368-5800-7e11-a5f4-ac7a0434c387")
RUN = Ancestor("lakehold", "flights_daily", "013bf368-5800-798a-b6cb-ade3d0a16315")
MODEL = '/* {"app": "dbt", "dbt_version": "1.11.16", "node_id": "model.lakehold.delays"} */\ncreate table x as select 1'


def created(*, sql: str = "INSERT INTO t SELECT a FROM s", **context: Any) -> dict[str, Any]:
    """A QueryCreatedEvent as Trino 476 writes it, without what is not read."""
    return {
        "createTime": "2026-11-21T15:09:21.2Z",
        "context": {
            "user": "engineer",
            "source": "lakehold sql",
            "clientTags": [],
            "queryType": "INSERT",
            "serverVersion": "476",
            "catalog": "lakehouse",
            "schema": "gold",
            **context,
        },
        "metadata": {
            "queryId": "20261121_150536_00001_rjktj",
            "query": sql,
            "queryState": "QUEUED",
            "uri": "https://127.0.0.1:18443/v1/query/20261121_150536_00001_rjktj",
            "tables": [],
        },
    }


def completed(**changes: Any) -> dict[str, Any]:
    event = created()
    source = {"catalog": "lakehouse", "schema": "gold", "table": "s", "columnName": "a"}
    event["metadata"] |= {
        "queryState": "FINISHED",
        "tables": [
            {"catalog": "lakehouse", "schema": "gold", "table": "s", "directlyReferenced": True,
             "columns": [{"column": "a"}]},
            {"catalog": "lakehouse", "schema": "silver", "table": "below", "directlyReferenced": False, "columns": []},
        ],
    }  # fmt: skip
    event["statistics"] = {"writtenRows": 7, "writtenBytes": 70, "operatorSummaries": ["much text"]}
    event["ioMetadata"] = {
        "inputs": [{"catalogName": "lakehouse", "schema": "silver", "table": "below",
                    "columns": [{"name": "a", "type": "bigint"}]}],
        "output": {"catalogName": "lakehouse", "schema": "gold", "table": "t", "columns": [
            {"columnName": "n", "columnType": "bigint", "sourceColumns": [source]}]},
    }  # fmt: skip
    event["endTime"] = "2026-11-21T15:09:22Z"
    return {**event, **changes}


def translated(event: dict[str, Any], trusted: Collection[str] = ("dbt",)) -> dict[str, Any]:
    body = run_event(json.dumps(event).encode(), "lakehold", trusted)
    assert body is not None
    parse(body)
    found: dict[str, Any] = json.loads(body)
    return found


def test_the_begin_of_a_query_is_a_start_of_the_run_trinos_openlineage_listener_names() -> None:
    event = translated(created())
    assert (event["eventType"], event["eventTime"]) == ("START", "2026-11-21T15:09:21.200Z")
    assert event["run"]["runId"] == "7640af39-48bc-3533-83d3-98107cc96bdb"
    assert (event["job"]["namespace"], event["job"]["name"]) == ("lakehold", "20261121_150536_00001_rjktj")
    assert event["job"]["facets"]["sql"]["query"] == "INSERT INTO t SELECT a FROM s"


def test_ad_hoc_sql_is_its_users() -> None:
    facets = translated(created())["run"]["facets"]
    assert "parent" not in facets
    said = facets["lakehold_query"]
    assert (said["user"], said["source"], said["model"]) == ("engineer", "lakehold sql", None)
    assert (said["catalog"], said["schema"]) == ("lakehouse", "gold")


def test_client_tags_tie_a_query_to_its_task() -> None:
    tags = ["etl", *trino_tags(Ancestry(task=TASK, root=RUN))]
    parent = translated(created(user="dbt", clientTags=tags))["run"]["facets"]["parent"]
    assert parent["job"] == {"namespace": "lakehold", "name": "flights_daily.gold.marts.build"}
    assert parent["run"] == {"runId": TASK.run}
    assert parent["root"]["run"] == {"runId": RUN.run}
    event = parse(run_event(json.dumps(created(user="dbt", clientTags=tags)).encode(), "lakehold", ["dbt"]) or b"")
    assert event.parent_job == ("lakehold", TASK.job)
    assert (str(event.parent_run_id), str(event.root_run_id)) == (TASK.run, RUN.run)


def test_the_task_of_airflows_own_hook_is_known_by_its_client_info() -> None:
    info = json.dumps({"dag_id": "report", "task_id": "fill", "try_number": "1", "dag_run_id": "manual__1"})
    body = run_event(json.dumps(created(user="dbt", clientInfo=info)).encode(), "lakehold", ["dbt"])
    event = parse(body or b"")
    assert (event.parent_job, event.parent_run_id) == (("lakehold", "report.fill"), None)


def test_a_dbt_model_is_known_by_dbts_comment() -> None:
    told = translated(created(user="dbt", sql=MODEL))["run"]["facets"]["lakehold_query"]
    assert told["model"] == "model.lakehold.delays"
    assert dbt_node('select 1 /* {"app": "dbt", "node_id": "test.p.unique"} */') == "test.p.unique"
    for other in ("select 1", "/* mine */ select 1", '/* {"app": "x", "node_id": "a"} */', "/*", "*/", '/* {"app": '):
        assert dbt_node(other) is None


@pytest.mark.parametrize("trusted", [(), ("dbt",)])
def test_what_a_person_says_of_a_query_is_kept_and_not_believed(trusted: Collection[str]) -> None:
    info = json.dumps({"dag_id": "report", "task_id": "fill"})
    tags = sorted(trino_tags(Ancestry(task=TASK, root=RUN)))
    facets = translated(created(sql=MODEL, clientTags=tags, clientInfo=info), trusted)["run"]["facets"]
    assert "parent" not in facets
    said = facets["lakehold_query"]
    assert (said["user"], said["model"], said["client_tags"], said["client_info"]) == ("engineer", None, tags, info)


def test_the_end_of_a_query_has_what_it_read_and_wrote() -> None:
    event = translated(completed())
    assert (event["eventType"], event["eventTime"]) == ("COMPLETE", "2026-11-21T15:09:22.000Z")
    # A table below a view is the view's input.
    (read,) = event["inputs"]
    assert (read["namespace"], read["name"]) == ("trino://127.0.0.1:18443", "lakehouse.gold.s")
    (wrote,) = event["outputs"]
    assert wrote["name"] == "lakehouse.gold.t"
    assert wrote["outputFacets"]["outputStatistics"]["rowCount"] == 7
    lineage = wrote["facets"]["columnLineage"]
    assert lineage["fields"]["n"]["inputFields"] == [
        {"namespace": "trino://127.0.0.1:18443", "name": "lakehouse.gold.s", "field": "a"}
    ]
    assert [one["name"] for one in lineage["dataset"]] == ["lakehouse.silver.below"]
    assert "much text" not in json.dumps(event)


def test_a_failed_query_says_why() -> None:
    event = completed(failureInfo={"failureMessage": "line 1:8: Column 'b' cannot be resolved"})
    event["metadata"]["queryState"] = "FAILED"
    found = translated(event)
    assert found["eventType"] == "FAIL"
    assert found["run"]["facets"]["errorMessage"]["message"].startswith("line 1:8")


def test_a_prepared_statement_is_known_by_its_own_text() -> None:
    event = created(sql="EXECUTE statement USING 1")
    event["metadata"]["preparedQuery"] = "INSERT INTO t SELECT ?"
    assert translated(event)["job"]["facets"]["sql"]["query"] == "INSERT INTO t SELECT ?"


def test_of_queries_that_only_read_nothing_is_kept() -> None:
    assert run_event(json.dumps(created(queryType="SELECT")).encode(), "lakehold") is None
    assert run_event(json.dumps(created(queryType=None)).encode(), "lakehold") is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"7", b'{"context": []}', b'{"context": {"queryType": 1}}',
        b'{"context": {"queryType": "INSERT"}}',
        b'{"context": {"queryType": "INSERT", "user": "u"}, "metadata": {"queryId": "q", "query": "x"}}',
        b'{"createTime": "never", "context": {"queryType": "INSERT", "user": "u"},'
        b' "metadata": {"queryId": "q", "query": "x"}}',
    ],
)  # fmt: skip
def test_what_is_no_event_of_trino_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(MalformedError, match=r"\w"):
        run_event(body, "lakehold")


def test_the_run_of_a_query_is_the_one_java_makes() -> None:
    assert str(run_id("20261121_150536_00001_rjktj")) == "7640af39-48bc-3533-83d3-98107cc96bdb"
