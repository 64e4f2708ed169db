"""In which order a gate judges the tables of a suite, and what it says about each of them in the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from lakehold.quality import quarantine, run, scope, validation
from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Caller
from lakehold.quality.scope import State
from lakehold.quality.suite import Rule, Suite, TableRules


def table(name: str, *, share: float | None = None, reads: str = "gold__audit_1") -> TableRules:
    rule = Rule(id=f"rule of {name}", expect="no_rows_where", severity="block", breaks="", owner="", quarantine=share)
    return TableRules(schema="gold", table=name, rows="", rules=(rule,), reads=reads)


class World:
    """Tables with rows, some of them bad; a table's state is the number of times it was written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **bad: int) -> None:
        self.bad = bad
        self.written = dict.fromkeys(bad, 0)
        self.done: list[str] = []
        monkeypatch.setattr(scope, "state", lambda _, one: State(location=str(self.written[one.table]), snapshot=1))
        monkeypatch.setattr(validation, "run", self.judge)
        monkeypatch.setattr(quarantine, "_move", self.move)

    def judge(self, one: TableRules, _: Any) -> list[Finding]:
        self.done.append(f"judge {one.table}")
        bad = self.bad[one.table]
        return [Finding(table=one.name, rule=one.rules[0], met=not bad, seen="bad", rows=100, unexpected=bad)]

    def move(self, _: Any, __: Suite, one: TableRules, rules: list[Rule], *___: Any) -> dict[str, int]:
        self.done.append(f"move {one.table}")
        moved, self.bad[one.table] = self.bad[one.table], 0
        self.written[one.table] += 1
        return {rule.id: moved for rule in rules}

    def judged(self, *tables: TableRules) -> tuple[list[Finding], dict[str, State]]:
        suite = Suite(name="s", summary="", tables=tables)
        return run.judge(suite, SimpleNamespace(trino=None), None, Caller())  # type: ignore[arg-type]  # a part of it


def test_all_tables_are_judged_again_on_what_quarantine_left(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a=0, b=1, c=0)
    found, states = world.judged(table("a"), table("b", share=0.5), table("c"))
    assert world.done == ["judge a", "judge b", "move b", "judge c", "judge a", "judge b", "judge c"]
    assert [(one.outcome, one.quarantined) for one in found] == [("ok", 0), ("quarantined", 1), ("ok", 0)]
    assert [state.location for state in states.values()] == ["0", "1", "0"], "as they were judged the second time"


@pytest.mark.parametrize(
    ("share", "reads", "why"),
    [
        (0.01, "gold__audit_1", "bad; not moved to quarantine: 2.00% of the rows break the rule, more than its 1.00%"),
        (0.5, "gold", "bad; not moved to quarantine: readers see gold.a already"),
        (None, "gold__audit_1", "bad"),
    ],
)
def test_what_may_not_be_moved_blocks_with_the_reason(
    share: float | None, reads: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch, a=2)
    found, _ = world.judged(table("a", share=share, reads=reads))
    assert world.done == ["judge a"]
    assert [(one.outcome, one.seen) for one in found] == [("BLOCK", why)]


def test_what_is_written_while_a_table_is_judged_does_not_count_as_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, a=0)
    judge = world.judge

    def meanwhile(*given: Any) -> list[Finding]:
        world.written["a"] += 1
        return judge(*given)

    monkeypatch.setattr(validation, "run", meanwhile)
    _, states = world.judged(table("a"))
    assert states["gold.a"].location == "0"
