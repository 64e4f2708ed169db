"""What is told about a gate: the page, the event, the record, and who stops the run when one of them fails."""

from __future__ import annotations

import json
import re
import socket
import threading
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lakehold.config import posting
from lakehold.config.ancestry import Ancestor, Ancestry
from lakehold.config.platform import LineageAddress, TrinoAddress
from lakehold.errors import LakeholdError, RunFailedError
from lakehold.lineage import event as receiver
from lakehold.quality import assertions, history, page, results, run
from lakehold.quality.finding import Finding, seen
from lakehold.quality.outcome import Caller, Outcome, caller
from lakehold.quality.suite import Rule, Suite, TableRules

TRINO = TrinoAddress(host="127.0.0.1", port=18443, ca="", catalog="lakehouse", passwords={})
LINEAGE = LineageAddress(url="http://127.0.0.1:9", namespace="lakehold", token="t")
PARENT = "lakehold/flights_daily.gate/0190b6f0-0000-7000-8000-000000000001"


def rule(name: str, severity: str = "block", **arguments: Any) -> Rule:
    return Rule(id=name, expect="expect_x", severity=severity, breaks="The\n  report.", owner="us", arguments=arguments)  # type: ignore[arg-type]  # a word


def outcome(*findings: Finding, **more: Any) -> Outcome:
    table = TableRules(schema="gold", table="delays", rows="", rules=(), reads="gold__audit_1")
    return Outcome(
        suite=Suite(name="gold", summary="the <marts>", tables=(table,)),
        start=date(2013, 1, 1),
        end=date(2013, 1, 2),
        began=datetime(2026, 11, 21, 12, 0, 0, 123456, UTC),
        seconds=1.5,
        findings=findings,
        **more,
    )


def found(name: str, *, met: bool, severity: str = "block", **more: Any) -> Finding:
    return Finding(table="gold.delays", rule=rule(name, severity, column="origin"), met=met, **more)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_shows_what_was_found() -> None:
    text = page.page(
        outcome(
            found("fine", met=True, rows=894),
            found("broken", met=False, seen="3 of 894 rows; for example <b>"),
            found("moved", met=True, quarantined=3),
            found("quiet", met=True, seen="no row, which the suite allows"),
            caller=Caller(dag="flights_daily", run="r", task="gate"),
        )
    )
    links = Links()
    links.feed(text)
    assert links.found == []
    assert re.search(r"https?:|url\(|@import", text) is None
    assert "&lt;b&gt;" in text
    assert "the &lt;marts&gt;" in text
    assert "gold__audit_1" in text
    assert "3 rows to quarantine" in text
    assert "<dt>seen</dt><dd>no row, which the suite allows</dd>" in text
    assert "stopped the run" in text


def test_the_event_is_one_the_service_takes_and_names_the_table_as_readers_do() -> None:
    sent = assertions.event(
        outcome(
            found("fine", met=True, rows=894),
            found("broken", met=False, severity="warn", seen="3 rows"),
            caller=Caller(ancestry=Ancestry(task=Ancestor.read(PARENT), root=Ancestor.read(PARENT))),
        ),
        LINEAGE,
        TRINO,
    )
    read = receiver.parse(json.dumps(sent).encode())
    assert read.inputs == (("trino://127.0.0.1:18443", "lakehouse.gold.delays"),)
    assert read.job == ("lakehold", "quality.gold")
    assert read.parent_job == ("lakehold", "flights_daily.gate")
    assert sent["eventTime"] == "2026-11-21T12:00:01.623Z"
    facets = sent["inputs"][0]["inputFacets"]
    assert facets["dataQualityMetrics"]["rowCount"] == 894
    assert [
        (one["name"], one["success"], one["severity"], one.get("column"))
        for one in facets["dataQualityAssertions"]["assertions"]
    ] == [
        ("not_empty", True, "error", None),
        ("fine", True, "error", "origin"),
        ("broken", False, "warn", "origin"),
    ]


def test_that_there_were_rows_is_told_so_that_an_empty_day_does_not_stay_the_last_word() -> None:
    empty = Finding(table="gold.delays", rule=rule("not_empty"), met=False, seen="no row", rows=0)
    told = [
        [(one["name"], one["success"]) for one in facet["assertions"]]
        for findings in ((empty,), (found("fine", met=True, rows=894),))
        for facet in [
            assertions.event(outcome(*findings), LINEAGE, TRINO)["inputs"][0]["inputFacets"]["dataQualityAssertions"]
        ]
    ]
    assert told == [[("not_empty", False)], [("not_empty", True), ("fine", True)]]


@pytest.fixture
def known(tmp_path: Path) -> Any:
    return SimpleNamespace(work=str(tmp_path), lineage=LINEAGE, trino=TRINO)


def left(known: Any) -> list[Any]:
    files = (Path(known.work) / "lineage").glob(f"*{posting.LEFT}")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_what_a_service_that_is_away_or_hangs_does_not_take_is_left_for_later(known: Any) -> None:
    assert "refused; a later task tells it" in assertions.send({"a": 1}, known)
    assert left(known) == [{"a": 1}]
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = LineageAddress(url=f"http://127.0.0.1:{server.getsockname()[1]}", namespace="", token="")
        known = SimpleNamespace(work=f"{known.work}/silent", lineage=silent)
        assert "timed out" in assertions.send({"a": 2}, known)
    assert left(known) == [{"a": 2}]


def test_a_full_disk_and_no_service_fail_no_gate(known: Any) -> None:
    (Path(known.work) / "lineage").write_text("in the way")
    assert "nor can that be kept" in assertions.send({}, known)


def test_a_service_that_answers_gets_the_token(known: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        got: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        known.lineage = LineageAddress(url=f"http://127.0.0.1:{server.getsockname()[1]}", namespace="", token="secret")
        told = assertions.send({"a": 1}, known)
        thread.join(5)
    assert b"Authorization: Bearer secret" in got[0]
    assert told in ("", "timed out; a later task tells it")  # the latter on a machine that stood still


def refuse(*_: Any) -> None:
    raise LakeholdError("no catalog")


def test_a_pass_that_cannot_be_recorded_is_none(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "record", refuse)
    with pytest.raises(LakeholdError, match="no catalog") as raised:
        run.publish(outcome(found("fine", met=True)), known, None)
    assert raised.value.exit_code == 1


def test_what_stops_the_run_stops_it_recorded_or_not(known: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(results, "record", refuse)
    with pytest.raises(RunFailedError, match="1 of 1 rules are broken"):
        run.publish(outcome(found("broken", met=False)), known, None)
    told = capsys.readouterr()
    assert "no catalog" in told.err
    assert "the lineage service was not told" in told.err
    assert (Path(known.work) / "quality" / "gold" / "2013-01-01_2013-01-02.html").is_file()


def test_the_caller_is_read_from_what_an_operator_sets() -> None:
    environment = {"LAKEHOLD_DAG_ID": "d", "LAKEHOLD_RUN_ID": "r", "LAKEHOLD_TASK_ID": "t", "LAKEHOLD_TRY": "2"}
    assert caller(environment) == Caller(dag="d", run="r", task="t", attempt=2)
    assert caller({}).name == "by hand"


def test_what_was_seen_is_said_with_examples() -> None:
    counted = {"unexpected_count": 1, "element_count": 4, "unexpected_percent": 25.0, "partial_unexpected_list": [70]}
    assert seen(counted) == "1 of 4 rows (25.00 %); for example 70"
    assert (
        seen({"observed_value": 2, "details": {"unexpected_rows": [{"n": 5, "times": 2}]}}) == "2 found; n 5, times 2"
    )
    assert seen({}) == ""


def test_gates_are_summed_up_newest_first() -> None:
    common = {
        "checked_at": datetime(2026, 1, 1, tzinfo=UTC), "suite": "gold", "interval_from": date(2013, 1, 1),
        "interval_to": date(2013, 1, 2), "dag_id": "d", "run_id": "r", "seconds": 1.0,
    }  # fmt: skip
    rows = [{**common, "gate_id": gate, "outcome": word} for gate, word in (("b", "ok"), ("b", "BLOCK"), ("a", "ok"))]
    summed = history.gates(rows)
    assert [(one["gate_id"], one["passed"], one["run"]) for one in summed] == [("b", False, "d/r"), ("a", True, "d/r")]
    lines = history.table(summed, by_rule=False).splitlines()
    assert lines[0].startswith("checked (UTC)")
    assert "STOPPED  1 BLOCK, 1 ok" in lines[1]
    assert history.table([], by_rule=True) == "No gate has been recorded in that time."
