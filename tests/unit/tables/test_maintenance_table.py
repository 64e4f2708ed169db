"""What becomes of an action when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from lakehold.tables import guard
from lakehold.tables.maintenance_plan import Action, Past, Remaining
from lakehold.tables.maintenance_table import Survey, TableWork
from lakehold.tables.policy import PolicyFile
from lakehold.tables.state import TableState

STATE = TableState(schema="gold", table="t", uuid="0", location="", metadata_location="", snapshot_id=1, sequence=1)
SWEEP = Action(kind="sweep", engine="pyiceberg", reason="files of an old expiry")
ORPHANS = Action(kind="orphans", engine="pyiceberg", reason="3 files")


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table can always be held."""

    @contextmanager
    def held(*_: Any) -> Iterator[bool]:
        yield True

    monkeypatch.setattr(guard, "holding", held)


def survey(*actions: Action) -> Survey:
    return Survey(loaded=None, state=STATE, past=Past(), actions=actions)


def work(planned: Survey, found: Survey) -> tuple[list[tuple[str, str]], list[str]]:
    """How planned actions end when ``found`` is what a second look finds, and which were done."""
    done: list[str] = []
    run: Any = SimpleNamespace(
        id="1",
        policies=PolicyFile({}),
        ledger=None,
        workshop=SimpleNamespace(do=lambda action, *_: done.append(action.reason), probe=lambda *_: None),
        survey=lambda *_, **__: found,
        busy=lambda _: "",
    )
    outcomes = TableWork(run, planned, Remaining(seconds=60, bytes=60)).outcomes()
    return [(each.action.kind, each.outcome) for each in outcomes if each.action], done


def test_an_action_is_done_as_it_is_planned_when_its_turn_comes() -> None:
    now = Action(kind="sweep", engine="pyiceberg", reason="files of a newer expiry")
    assert work(survey(SWEEP), survey(now)) == ([("sweep", "done")], ["files of a newer expiry"])


def test_what_somebody_else_has_done_meanwhile_is_skipped_and_the_rest_is_done() -> None:
    ended, done = work(survey(SWEEP, ORPHANS), survey(ORPHANS))
    assert ended == [("sweep", "skipped"), ("orphans", "done")]
    assert done == ["3 files"]


def test_what_is_only_to_be_reported_by_now_is_not_done() -> None:
    dry = Action(kind="orphans", engine="pyiceberg", reason="3 files", dry=True)
    assert work(survey(ORPHANS), survey(dry)) == ([("orphans", "skipped")], [])
