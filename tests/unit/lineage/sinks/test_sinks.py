"""What sinks decide without anybody to tell: pauses, lanes, meanings of answers, settings, metrics."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lakehold.errors import ConfigError
from lakehold.lineage import options
from lakehold.lineage.sinks import metrics, settings
from lakehold.lineage.sinks.answers import Answer, FailedError, judge, retry_after, say
from lakehold.lineage.sinks.model import Item, RefusedError, UnavailableError
from lakehold.lineage.sinks.openlineage import predecessors
from lakehold.lineage.sinks.worker import pause

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_pauses_double_up_to_half_a_minute_and_are_spread() -> None:
    assert [pause(attempts, None, lambda: 0.5) for attempts in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (pause(1000, None, lambda: 0.0), pause(1000, None, lambda: 1.0)) == (22.5, 37.5)


def test_what_the_other_side_asks_for_is_kept_within_reason() -> None:
    assert pause(0, 7.0) == 7.0
    assert pause(0, 0.0) == 0.5
    assert pause(0, 86400.0) == 300.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12.0),
        ("Sat, 21 Nov 2026 08:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(Answer(status=429, headers={"retry-after": text}), NOW) == seconds


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(400, RefusedError), (413, RefusedError), (422, RefusedError), (404, UnavailableError), (301, UnavailableError),
     (401, UnavailableError), (407, UnavailableError), (429, UnavailableError), (403, FailedError), (408, FailedError),
     (502, FailedError), (503, FailedError), (504, FailedError), (500, FailedError), (501, FailedError)],
)  # fmt: skip
def test_answers(status: int, meaning: type[Exception]) -> None:
    with pytest.raises(meaning) as told:
        judge(Answer(status=status, content=b"why\nand a page"))
    assert type(told.value) is meaning
    assert "why" in str(told.value)
    assert "page" not in str(told.value)


def test_a_server_that_says_until_when_it_is_away_is_believed() -> None:
    with pytest.raises(UnavailableError) as told:
        judge(Answer(status=503, headers={"retry-after": "7"}))
    assert (type(told.value), told.value.retry_after) == (UnavailableError, 7.0)


def test_what_an_answer_says() -> None:
    judge(Answer(status=201))
    assert say(Answer(status=400, content=b'{"code": 400, "message": "no\\nway"}')) == "no way"
    assert say(Answer(status=400, content=b'["no"]')) == '["no"]'
    assert say(Answer(status=400)) == ""


def item(number: int, *order: str) -> Item:
    return Item(position=number, key=f"event:{number}", order=order)


def test_an_event_follows_the_latest_of_each_run_job_and_table_it_names() -> None:
    window = [item(1, "a"), item(2, "b"), item(3, "b", "a"), item(4, "c"), item(5), item(6, "a", "c"), item(7, "a")]
    assert predecessors(window) == [[], [], [0, 1], [], [], [2, 3], [5]]


def test_there_are_no_sinks_by_default() -> None:
    assert (settings.openlineage({}), settings.openmetadata({})) == (None, None)
    assert options.load_sinks({}) == settings.SinkOptions()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (settings.OPENLINEAGE_URL, "localhost:5000", "is no address"),
        (settings.OPENLINEAGE_URL, "ftp://example/", "is no address"),
        (settings.OPENLINEAGE_URL, "http://me:secret@example/", "holds a user or password"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings.openlineage({name: value})


def test_openmetadata_is_not_told_without_a_token_nor_with_an_authority_that_is_none(tmp_path: Path) -> None:
    set_ = {settings.OPENMETADATA_URL: "https://example"}
    with pytest.raises(ConfigError, match="OPENMETADATA_TOKEN is not"):
        settings.openmetadata(set_)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="OPENMETADATA_CA names no file with certificates"):
        settings.openmetadata(
            {**set_, settings.OPENMETADATA_TOKEN: "t", settings.OPENMETADATA_CA: f"{tmp_path}/ca.pem"}
        )


def test_a_sink_that_is_named_wrongly_takes_neither_the_service_nor_another_sink_down() -> None:
    wrong = {settings.OPENMETADATA_URL: "https://example", settings.OPENLINEAGE_URL: "http://marquez.example"}
    assert options.load_sinks(wrong) == settings.SinkOptions(
        openlineage=settings.Endpoint(url="http://marquez.example"), openmetadata=None
    )
    service = {options.DATABASE: "dbname=lineage", options.PORT: "18090", options.TOKEN: "0123456789abcdef"}
    assert options.load({**service, **wrong}).port == 18090


def test_metrics_are_in_prometheus_format() -> None:
    sink = {
        "name": 'a"b',
        "behind": 3,
        "behind_seconds": 1.5,
        "backfill": None,
        "letters": 0,
        "attempts": 2,
        "delivered": 9,
    }
    page = metrics.text([sink], [{"name": "graph", "behind": 4, "behind_seconds": 0.5}])
    assert '# TYPE lakehold_lineage_sink_lag_items gauge\nlakehold_lineage_sink_lag_items{sink="a\\"b"} 3\n' in page
    assert 'lakehold_lineage_stage_lag_events{stage="graph"} 4\n' in page
    assert 'lakehold_lineage_stage_lag_seconds{stage="graph"} 0.5\n' in page
    assert page.endswith("\n")
