import contextlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lakehold.lineage.event import Event, Rejected, parse, parse_batch
from lakehold.lineage.jsontext import MalformedError
from lakehold.tables.shadow import Audit

RUN = "019a9f4e-0000-7000-8000-000000000001"


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "eventType": "START",
        "eventTime": "2013-01-01T05:00:00.000Z",
        "run": {"runId": RUN},
        "job": {"namespace": "lakehold", "name": "flights_daily.bronze"},
        "inputs": [{"namespace": "s3://landing", "name": "flights/2013-01-01.csv"}],
        "outputs": [{"namespace": "lakehouse", "name": "bronze.flights"}],
        "producer": "urn:test",
        "schemaURL": "urn:schema",
    }
    return {key: value for key, value in {**event, **changes}.items() if value is not ...}


def parsed(**changes: Any) -> Event:
    return parse(json.dumps(an_event(**changes)).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
# Values an event's fields may hold by mistake, and right ones, so that every depth of the checks is reached.
field_values = json_values | st.sampled_from(
    [
        an_event()["run"],
        an_event()["job"],
        an_event()["inputs"],
        {"runId": RUN, "facets": {"parent": {"run": {"runId": RUN}, "job": {"namespace": "a", "name": "b"}}}},
        "COMPLETE",
        "2013-01-01T05:00:00Z",
        "9999-12-31T23:59:59-14:00",
        {"namespace": "a\x00", "name": "\ud800"},
    ]
)
events_nearly = st.dictionaries(st.sampled_from(sorted([*an_event(), "dataset"])), field_values).map(
    lambda changes: {**an_event(), **changes}
)


@given(st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    for read in (parse, parse_batch):
        with contextlib.suppress(MalformedError):
            read(body)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(events_nearly | json_values)
def test_every_json_value_is_an_event_or_has_a_reason(value: Any) -> None:
    try:
        event = parse(json.dumps(value).encode())
    except MalformedError:
        return
    assert json.loads(event.body) == value
    names = [*event.inputs, *event.outputs, *filter(None, [event.job, event.parent_job])]
    for text in [event.producer, *(part for name in names for part in name)]:
        assert "\x00" not in text
        text.encode("utf-8")
    assert event.event_time.tzinfo is UTC


@given(st.lists(events_nearly | json_values, max_size=5), st.sampled_from([None, 2]))
def test_a_batch_is_its_elements(values: list[Any], indent: int | None) -> None:
    items = parse_batch(json.dumps(values, indent=indent).encode())
    assert len(items) == len(values)
    for item, value in zip(items, values, strict=True):
        if isinstance(item, Event):
            assert item.digest == parse(json.dumps(value).encode()).digest
            assert json.loads(item.body) == value
        else:
            with pytest.raises(MalformedError) as alone:
                parse(json.dumps(value).encode())
            assert item.reason == str(alone.value)
            assert json.loads(item.body) == value


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shuffled(value[key]) for key in reversed(value)}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_equal_values_have_equal_digests_however_they_are_written(facet: Any) -> None:
    event = an_event(run={"runId": RUN, "facets": {"mine": facet}})
    plain = parse(json.dumps(event).encode())
    spaced = parse(json.dumps(_shuffled(event), indent=3, ensure_ascii=True).encode())
    assert plain.digest == spaced.digest


@given(json_values, json_values)
def test_different_values_have_different_digests(left: Any, right: Any) -> None:
    def digest(facet: Any) -> bytes:
        return parsed(run={"runId": RUN, "facets": {"mine": facet}}).digest

    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (digest(left) == digest(right)) == same


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventTime": ...}, "eventTime is missing"),
        ({"eventTime": 5}, "eventTime must be text, not empty"),
        ({"eventTime": "2013-01-01"}, "eventTime must be a date and time with its offset, as 2026-11-21T08:30:00.000Z"),
        ({"eventTime": "2013-01-01T05:00:00"}, "eventTime must be a date and time with its offset"),
        ({"eventTime": "2013-02-30T05:00:00Z"}, "eventTime is no time that exists: day is out of range for month"),
        ({"eventTime": "0001-01-01T00:00:00+14:00"}, "eventTime is no time that exists"),
        ({"producer": ...}, "producer is missing"),
        ({"schemaURL": ...}, "schemaURL is missing"),
        ({"run": {}}, "run.runId is missing"),
        ({"run": []}, "run must be a JSON object"),
        ({"run": {"runId": "7"}}, "run.runId must be a UUID"),
        ({"run": ..., "job": ...}, "it has none of run, job and dataset"),
        ({"job": ...}, "job must be a JSON object"),
        ({"job": {"namespace": "a"}}, "job.name is missing"),
        ({"eventType": "DONE"}, "eventType must be one of ABORT, COMPLETE, FAIL, OTHER, RUNNING, START"),
        ({"inputs": {}}, "inputs must be a JSON array"),
        ({"outputs": [{"namespace": "a", "name": ""}]}, "outputs[0].name must be text, not empty"),
    ],
)
def test_reasons(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedError) as problem:
        parsed(**changes)
    assert str(problem.value).startswith(reason)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "the body is not UTF-8"),
        (b"[]", "the event must be a JSON object"),
        (b"{} {}", "there is more text"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b"9" * 5000, "not JSON that can be read"),
    ],
)
def test_reasons_of_bodies(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as problem:
        parse(body)
    assert str(problem.value).startswith(reason)


@pytest.mark.parametrize("body", [b"{}", b"[", b"[1", b"[1,", b"[1,]", b"[1;2]", b"[] 1", b"[,]"])
def test_what_is_no_array_is_no_batch(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_batch(body)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-01-01T05:00:00Z", datetime(2013, 1, 1, 5, tzinfo=UTC)),
        ("2013-01-01T05:00Z", datetime(2013, 1, 1, 5, tzinfo=UTC)),  # Java, when the seconds are zero
        ("2013-01-01T05:00:00.1Z", datetime(2013, 1, 1, 5, 0, 0, 100_000, tzinfo=UTC)),  # Trino trims zeros
        ("2013-01-01T05:00:00.123456789Z", datetime(2013, 1, 1, 5, 0, 0, 123_456, tzinfo=UTC)),
        ("2013-01-01T05:00:00.000001+00:00", datetime(2013, 1, 1, 5, 0, 0, 1, tzinfo=UTC)),  # Airflow
        ("2013-01-01t00:00:00-05:00", datetime(2013, 1, 1, 5, tzinfo=UTC)),
        ("2013-01-01 10:30:00+0530", datetime(2013, 1, 1, 5, tzinfo=UTC)),
    ],
)
def test_times_are_exact(text: str, moment: datetime) -> None:
    assert parsed(eventTime=text).event_time == moment


def test_the_columns_of_a_run_event() -> None:
    other = str(uuid.UUID(int=7))
    parent = {
        "run": {"runId": other},
        "job": {"namespace": "lakehold", "name": "flights_daily"},
        "root": {"run": {"runId": RUN}},
    }
    event = parsed(run={"runId": RUN, "facets": {"parent": parent}})
    assert (event.kind, event.event_type, str(event.run_id)) == ("run", "START", RUN)
    assert event.job == ("lakehold", "flights_daily.bronze")
    assert event.parent_job == ("lakehold", "flights_daily")
    assert (str(event.parent_run_id), str(event.root_run_id)) == (other, RUN)
    assert event.inputs == (("s3://landing", "flights/2013-01-01.csv"),)


def test_a_mistake_in_a_facet_does_not_cost_the_event() -> None:
    event = parsed(run={"runId": RUN, "facets": {"parent": {"run": {"runId": 7}, "job": "x", "root": []}}})
    assert (event.parent_run_id, event.parent_job, event.root_run_id) == (None, None, None)


def test_events_of_jobs_and_datasets() -> None:
    assert parsed(run=..., eventType=...).kind == "job"
    event = parsed(run=..., job=..., inputs=..., outputs=..., dataset={"namespace": "a", "name": "b"})
    assert (event.kind, event.outputs, event.job) == ("dataset", (("a", "b"),), None)


def test_a_batch_keeps_the_text_of_each_element() -> None:
    texts = [json.dumps(an_event()), '{ "x" :  1.10 }']
    first, second = parse_batch(f" [ {texts[0]}\n,{texts[1]} ] ".encode())
    assert isinstance(first, Event)
    assert first.body == texts[0]
    assert second == Rejected(body=texts[1].encode(), reason="eventTime is missing")


def test_a_shadow_table_is_its_target() -> None:
    schema = Audit("flights_daily/2013-01-01", "gold").schema("gold")
    names = [f"lakehouse.{schema}.delays", "lakehouse.gold.delays", f"warehouse/{schema}/delays-1f"]
    event = parsed(outputs=[{"namespace": "trino", "name": name} for name in names], inputs=[])
    assert event.outputs == (("trino", "lakehouse.gold.delays"), ("trino", "warehouse/gold/delays-1f"))
    assert schema in event.body, "the body is kept as it came"
    others = ["lakehouse.gold.my__audit_notes", "lakehouse.gold__audit_2013.delays"]
    kept = parsed(outputs=[{"namespace": "trino", "name": name} for name in others])
    assert [name for _, name in kept.outputs] == others
