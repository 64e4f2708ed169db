"""Coverage in words."""

from __future__ import annotations

from typing import Any

import pytest
from lakehold.cli.lineage_coverage import summary

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
