"""What becomes of the errors of libraries: a message and an exit code, no traceback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from lakehold.tables import run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), 75, "somebody else is at work"),
        (psycopg.OperationalError("server closed the connection"), 6, "database went away"),
        (psycopg.errors.UniqueViolation("duplicate key"), 1, "refused it"),
    ],
)
def test_a_verb_that_postgresql_refuses_ends_with_the_reason(
    error: psycopg.Error, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run.platform, "load", lambda: SimpleNamespace(catalog={"type": "jdbc"}))
    monkeypatch.setattr(run, "shadows", refused)
    assert run.main(["shadows"]) == code
    told = capsys.readouterr().err
    assert said in told
    assert str(error) in told
