"""Coverage in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from lakehold.cli.context import Context
from lakehold.cli.lineage_coverage import coverage, summary
from lakehold.cli.lineage_site import LineageSite
from lakehold.errors import DifferenceError

ALL: dict[str, Any] = {
    "snapshots": 1200,
    "explained": 1200,
    "rederived": 0,
    "partly": 0,
    "unexplained": 0,
    "percent": 100.0,
    "tables": [{}, {}],
}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ALL, "1,200 of 1,200 snapshots are explained (100 %); 2 tables and views."),
        (
            {**ALL, "explained": 1197, "rederived": 5, "partly": 2, "unexplained": 1, "percent": 99.75, "tables": [{}]},
            "1,197 of 1,200 snapshots are explained (99.75 %); 5 of them by what was told again after it was lost; "
            "2 partly; 1 by nothing; 1 table.",
        ),
    ],
)
def test_a_sentence(answer: dict[str, Any], words: str) -> None:
    assert summary(answer) == words


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"unread": {"gold.delays": "NoSuchKey"}}, "gold.delays cannot be read"),
        ({"problem": "its database cannot be read"}, "its database cannot be read"),
        ({"percent": 99.99}, "the lines above name those that are not"),
    ],
)
def test_a_share_is_not_promised_of_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], why: str
) -> None:
    told = {**ALL, "missing": [], "truncated": False, "unread": {}, "problem": "", "behind": 0}
    site = SimpleNamespace(host="127.0.0.1", ports={"lineage": 1}, secrets={"lineage.token": ""})
    monkeypatch.setattr(Context, "existing_site", lambda _: site)
    monkeypatch.setattr(LineageSite, "ask", lambda *_: told)
    arguments = ["--at-least", "100"]
    assert CliRunner().invoke(coverage, arguments, catch_exceptions=False).exit_code == 0
    told |= answer
    assert CliRunner().invoke(coverage, catch_exceptions=False).exit_code == 0
    with pytest.raises(DifferenceError) as refused:
        CliRunner().invoke(coverage, arguments, catch_exceptions=False)
    assert refused.value.why == why
