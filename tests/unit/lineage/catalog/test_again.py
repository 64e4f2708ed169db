"""What is told again: events that the journal takes, and that say no more than is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from answering import Answers, answering
from lakehold.config import ancestry as config
from lakehold.lineage import trino
from lakehold.lineage.catalog.again import task_event, view_event
from lakehold.lineage.catalog.history import History, LaterError, SilentError, completed
from lakehold.lineage.catalog.maker import maker_of
from lakehold.lineage.catalog.source import Trino
from lakehold.lineage.event import parse

AT = datetime(2013, 12, 1, 5, 0, 0, 123000, UTC)
TABLE = {"namespace": "lakehouse", "name": "ops.quality_results"}
NAMED = {
    config.TASK: "lakehold/flights_daily.gold.gate/013bf368-5800-7e11-a5f4-ac7a0434c387",
    config.ROOT: "lakehold/flights_daily/013bf368-5800-798a-b6cb-ade3d0a16315",
}


def test_a_program_s_task_wrote_the_table() -> None:
    event = task_event(maker_of({**NAMED, config.PROGRAM: "quality.results"}), AT, TABLE, "7")
    accepted = parse(orjson.dumps(event))
    assert (accepted.event_type, accepted.event_time) == ("OTHER", AT)
    assert accepted.job == ("lakehold", "flights_daily.gold.gate")
    assert str(accepted.run_id) == "013bf368-5800-7e11-a5f4-ac7a0434c387"
    assert accepted.parent_job == ("lakehold", "flights_daily")
    assert accepted.outputs == (("lakehouse", "ops.quality_results"),)
    assert event["job"]["facets"]["jobType"]["integration"] == "AIRFLOW"


def test_of_a_spark_task_only_that_it_was_at_work_is_said() -> None:
    accepted = parse(orjson.dumps(task_event(maker_of({**NAMED, "spark.app.id": "local-1"}), AT, TABLE, "7")))
    assert (accepted.inputs, accepted.outputs) == ((), ())


def test_a_program_run_by_hand_is_no_task_of_airflow() -> None:
    event = task_event(maker_of(config.snapshot_properties("tables.maintenance", config.Ancestry())), AT, TABLE, "7")
    assert parse(orjson.dumps(event)).job == ("lakehold", "tables.maintenance")
    assert "facets" not in event["job"]


def test_a_view_is_its_text_and_the_same_version_always_the_same_run() -> None:
    view = {"namespace": "lakehouse", "name": "gold.names"}
    event = view_event(view, 2, AT, "SELECT 1 AS a", "trino", "gold")
    accepted = parse(orjson.dumps(event))
    assert accepted.outputs == (("lakehouse", "gold.names"),)
    assert event["job"]["facets"]["sql"]["query"] == 'CREATE OR REPLACE VIEW "gold"."names" AS SELECT 1 AS a'
    assert event["run"] == view_event(view, 2, AT, "SELECT 1 AS a", "trino", "gold")["run"]
    assert event["run"] != view_event(view, 3, AT, "SELECT 1 AS a", "trino", "gold")["run"]
    assert "`gold`.`names`" in view_event(view, 2, AT, "SELECT 1", "spark", "")["job"]["facets"]["sql"]["query"]


INFO: dict[str, Any] = {
    "queryId": "20131201_000000_00001_abcde",
    "session": {"user": "dbt", "source": "dbt-trino", "clientTags": [], "catalog": "lakehouse"},
    "state": "FINISHED",
    "self": "https://127.0.0.1:18443/v1/query/20131201_000000_00001_abcde",
    "query": "INSERT INTO lakehouse.gold.delays SELECT carrier FROM lakehouse.silver.flights",
    "queryType": "INSERT",
    "queryStats": {"createTime": "2013-12-01T00:00:00.000Z", "endTime": "2013-12-01T00:00:01.000Z"},
    "referencedTables": [
        {"catalog": "lakehouse", "schema": "silver", "table": "flights", "directlyReferenced": True, "columns": []}
    ],
    "output": {"catalogName": "lakehouse", "schema": "gold", "table": "delays"},
}


def test_a_query_told_again_is_read_as_if_it_had_been_heard_at_first() -> None:
    body = trino.run_event(orjson.dumps(completed(INFO)), "lakehold")
    assert body is not None
    accepted = parse(body)
    assert (accepted.event_type, accepted.run_id) == ("COMPLETE", trino.run_id("20131201_000000_00001_abcde"))
    assert accepted.inputs == (("trino://127.0.0.1:18443", "lakehouse.silver.flights"),)
    assert accepted.outputs == (("trino://127.0.0.1:18443", "lakehouse.gold.delays"),)


@pytest.mark.parametrize("key", ["session", "queryStats", "queryId", "query", "state", "self"])
def test_an_answer_without_what_must_be_there_is_not_taken(key: str) -> None:
    with pytest.raises(KeyError):
        completed({name: value for name, value in INFO.items() if name != key})


@pytest.fixture
def engine() -> Iterator[Answers]:
    with answering() as answers:
        yield answers


def asked(engine: Answers, query: str = str(INFO["queryId"])) -> bytes | None:
    history = History(Trino(url=engine.url, ca="", user="lineage", password="secret"))
    return asyncio.run(history.event(query))


def answers(engine: Answers, status: int, info: Any = b"") -> None:
    body = info if isinstance(info, bytes) else orjson.dumps(info)
    engine.by_path[f"/v1/query/{INFO['queryId']}"] = status, body


def test_a_query_trino_remembers_is_told(engine: Answers) -> None:
    answers(engine, 200, INFO)
    body = asked(engine)
    assert body is not None
    assert parse(body).run_id == trino.run_id(INFO["queryId"])


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_query_trino_does_not_know_is_not_told(engine: Answers, status: int) -> None:
    answers(engine, status)
    assert asked(engine) is None


@pytest.mark.parametrize("info", [b"no JSON", [], {"queryStats": 1}, {**INFO, "session": 1}, {**INFO, "query": 1}])
def test_an_answer_that_cannot_be_read_keeps_no_other_waiting(engine: Answers, info: Any) -> None:
    answers(engine, 200, info)
    assert asked(engine) is None


@pytest.mark.parametrize("status", [403, 500])
def test_what_trino_says_of_one_query_is_not_said_of_all(engine: Answers, status: int) -> None:
    answers(engine, status)
    with pytest.raises(LaterError):
        asked(engine)


def test_a_query_that_has_not_ended_is_asked_for_later(engine: Answers) -> None:
    answers(engine, 200, {**INFO, "queryStats": {"createTime": "2013-12-01T00:00:00.000Z"}})
    with pytest.raises(LaterError):
        asked(engine)


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
def test_when_trino_cannot_be_asked_nothing_is(engine: Answers, status: int) -> None:
    answers(engine, status)
    with pytest.raises(SilentError):
        asked(engine)


@pytest.mark.parametrize("query", ["../node", f"{INFO['queryId']}?x", f"{INFO['queryId']}\n", "a b", ""])
def test_what_is_no_name_of_a_query_is_never_asked_for(engine: Answers, query: str) -> None:
    assert asked(engine, query) is None
    assert not engine.asked
