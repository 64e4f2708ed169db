"""Which rows are judged, and what it means that there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lakehold.quality.suite import TableRules
from lakehold.quality.validation import emptiness, rows_of

TABLE = TableRules(schema="gold", table="delays", rows="day = 1 OR day = 2", rules=(), reads="gold", owner="us")


@pytest.mark.parametrize(
    ("rows", "changed", "condition"),
    [
        ("", "", ""),
        ("a OR b", "", " WHERE (a OR b)"),
        ("", "false", " WHERE (false)"),
        ("a OR b", "c", " WHERE (a OR b) AND (c)"),
    ],
)
def test_rows_of_the_interval_and_of_the_change_are_judged(rows: str, changed: str, condition: str) -> None:
    assert rows_of(replace(TABLE, rows=rows, changed=changed)) == f'SELECT * FROM "gold"."delays"{condition}'


def test_rows_are_told_by_their_rules_alone() -> None:
    assert emptiness(TABLE, 1) == []


def test_no_rows_stop_the_run_and_the_way_to_allow_them_is_said() -> None:
    (found,) = emptiness(TABLE, 0)
    assert (found.rule.id, found.outcome, found.rows, found.rule.owner) == ("not_empty", "BLOCK", 0, "us")
    assert found.seen == "no row where day = 1 OR day = 2"
    assert "`empty: allowed`" in found.rule.breaks


def test_where_the_suite_allows_no_rows_it_is_only_told() -> None:
    (found,) = emptiness(replace(TABLE, rows="", may_be_empty=True), 0)
    assert (found.outcome, found.seen) == ("ok", "no row, which the suite allows")


def test_no_change_passes_only_where_there_are_rows_that_did_not_change() -> None:
    changed = replace(TABLE, changed="false")
    (found,) = emptiness(changed, 0, others=1)
    assert (found.outcome, found.seen) == ("ok", "no row was added, so there was nothing new to judge")
    assert emptiness(changed, 0, others=0)[0].blocks
