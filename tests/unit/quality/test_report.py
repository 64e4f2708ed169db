from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from lakehold.quality import report
from lakehold.quality.finding import Finding
from lakehold.quality.suite import Rule, Suite


def finding(*, met: bool, severity: str) -> Finding:
    rule = Rule(id="rows", expect="x", severity=severity, breaks="The\n  report.", owner="us")  # type: ignore[arg-type]  # parametrised
    return Finding(table="bronze.flights", rule=rule, met=met, seen="" if met else "3 of 5 rows")


def test_only_a_broken_blocking_rule_blocks() -> None:
    assert finding(met=False, severity="block").blocks
    assert not finding(met=False, severity="warn").blocks
    assert not finding(met=True, severity="block").blocks


def test_the_table_says_what_was_seen_what_breaks_and_whom_to_ask() -> None:
    text = report.table([finding(met=True, severity="block"), finding(met=False, severity="warn")])
    assert text.splitlines() == [
        "      rule  table",
        "ok    rows  bronze.flights",
        "warn  rows  bronze.flights",
        "       seen:   3 of 5 rows",
        "       breaks: The report.",
        "       owner:  us",
    ]


def test_what_is_worth_telling_of_a_rule_that_is_met_is_told() -> None:
    told = replace(finding(met=True, severity="block"), seen="no row, which the suite allows")
    assert report.table([told]).splitlines()[1:] == [
        "ok  rows  bronze.flights",
        "       seen:   no row, which the suite allows",
    ]


def test_json_passes_with_warnings_and_fails_with_blocks() -> None:
    suite, days = Suite(name="s", summary="", tables=()), (date(2013, 1, 1), date(2013, 1, 2))
    warned = json.loads(report.as_json(suite, *days, [finding(met=False, severity="warn")]))
    blocked = json.loads(report.as_json(suite, *days, [finding(met=False, severity="block")]))
    assert (warned["passed"], blocked["passed"]) == (True, False)
    assert blocked["findings"][0]["seen"] == "3 of 5 rows"
