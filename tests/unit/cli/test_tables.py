from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner
from lakehold.cli import tables as module
from lakehold.cli.context import Context
from lakehold.cli.tables import tables

SHADOW = {
    "run": "daily/one",
    "group": "gold",
    "schemas": {"gold": "gold__audit_0123456789"},
    "created_at": "2026-11-21T12:00:00+00:00",
    "tables": ["gold.a", "gold.b"],
}
EVENT = {
    "at": "2026-11-21T12:00:00.123+00:00",
    "kind": "publish, new",
    "by": "daily/one",
    "snapshot": "8420398420983420983",
    "rows": 1234567,
    "tags": ["run_daily_one_a40c68ef"],
    "current": True,
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    answers = {"shadows": [SHADOW], "history": [EVENT] * 30}
    monkeypatch.setattr(Context, "existing_site", lambda _self: "site")
    monkeypatch.setattr(module, "ask", lambda *args: seen.append(args[2:]) or answers[args[2]])
    monkeypatch.setattr(module, "engine", lambda *args: seen.append(args[2:]) or 9)
    return seen


@pytest.mark.parametrize("name", ["shadows", "discard", "history", "rollback"])
def test_help_teaches_by_example(name: str) -> None:
    text = tables.commands[name].get_help(click.Context(tables.commands[name], info_name=name))
    assert "Examples:" in text
    assert f"lakehold tables {name}" in text


def test_shadows_and_history_are_tables_for_people_and_json_for_programs(
    calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tables.main(["shadows"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("daily/one", "2026-11-21 12:00:00", "gold__audit_0123456789", "2"))
    tables.main(["history", "gold.a", "--limit", "2"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 3
    assert all(word in shown for word in ("1,234,567", "8420398420983420983", "publish, new", "*"))
    tables.main(["shadows", "--json"], standalone_mode=False)
    assert '"run": "daily/one"' in capsys.readouterr().out
    assert calls[1] == ("history", "gold.a", "--json")


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (["discard", "daily/one"], ("discard", "--run", "daily/one")),
        (
            ["discard", "daily/one", "--group", "gold", "--dry-run"],
            ("discard", "--run", "daily/one", "--group", "gold", "--dry-run"),
        ),
        (["rollback", "daily/one"], ("rollback", "daily/one")),
        (
            ["rollback", "gold.a", "--to", "2013-01-02", "--dry-run"],
            ("rollback", "gold.a", "--to", "2013-01-02", "--dry-run"),
        ),
    ],
)
def test_a_verb_s_exit_code_is_its_program_s(calls: list[Any], words: list[str], passed: tuple[str, ...]) -> None:
    assert tables.main(words, standalone_mode=False) == 9
    assert calls == [passed]


def test_nothing_is_done_without_a_name(calls: list[Any]) -> None:
    for words in (["discard"], ["rollback"], ["history"]):
        assert CliRunner().invoke(tables, words).exit_code == 2
    assert calls == []
