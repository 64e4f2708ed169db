"""Columns as the real engines tell them, and as the graph has them: right also where the engine is not.

A representative handful; ``bench/lineage_accuracy.py`` runs all golden statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import engine_lineage
import golden
import pytest

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]

SPARK = ("insert_by_name", "merge_star_copy_on_write", "merge_star_merge_on_read", "update_with_subquery")
FRAMES = ("frame_inner_join", "frame_cached", "frame_python_udf")
TRINO = ("insert_with_cte", "merge", "update_with_subqueries", "delete_with_subquery")


@pytest.fixture(scope="module")
def site(lab: Any) -> Iterator[Any]:
    """The engines, with listeners that tell the lineage service."""
    for name in ("lineage", "trino", "spark"):
        lab.start(name)
    return lab.site


def chosen(engine: str, names: Sequence[str]) -> list[golden.Case]:
    cases = [case for case in golden.cases(engine) if case.name in names]
    assert sorted(case.name for case in cases) == sorted(names)
    return cases


def needed(cases: Sequence[golden.Case], engine: str) -> dict[str, dict[str, str]]:
    """The tables the cases read and write; making all of them takes a minute."""
    names = {table.name for case in cases for table in case.inputs} | {case.target for case in cases}
    return {name: columns for name, columns in golden.tables(engine).items() if name in names}


def compare(site: Any, found: Iterable[tuple[golden.Case, engine_lineage.Told]]) -> dict[str, list[str]]:
    """Assert that ours is the golden graph of each case; return what the engine itself told of it."""
    told = list(found)
    names = engine_lineage.Names(site.settings.catalog.name, [one for _, one in told])
    own: dict[str, list[str]] = {}
    for case, one in told:
        assert not one.error, f"{case.name}: {one.error}"
        ours = engine_lineage.ours(case, one, names, golden.columns(case))
        assert golden.lines(ours.edges) == case.lines(), case.name
        assert case.unknown.keys() <= ours.unknown.keys(), case.name
        own[case.name] = golden.lines(engine_lineage.own(case, one, names))
    return own


def test_spark(site: Any, tmp_path: Path) -> None:
    cases = chosen("spark", SPARK) + chosen("frames", FRAMES)
    own = compare(site, engine_lineage.on_spark(site, cases, needed(cases, "spark"), tmp_path))
    by_name = {case.name: case for case in cases}
    assert own["merge_star_copy_on_write"] != by_name["merge_star_copy_on_write"].lines()
    assert own["update_with_subquery"] == []


def test_trino(site: Any) -> None:
    cases = chosen("trino", TRINO)
    own = compare(site, engine_lineage.on_trino(site, cases, needed(cases, "trino")))
    assert own["merge"] == own["delete_with_subquery"] == []
    # It is an aggregate, and there are three edges more.
    assert own["update_with_subqueries"] == ["bronze.fixes.status -> gold.board.status TRANSFORMATION"]
