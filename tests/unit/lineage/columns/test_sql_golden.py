"""Every golden statement is read exactly as a person drew it, and every dbt model of the repository is among them."""

import re
from pathlib import Path

import golden
import jinja2
import pytest
from lakehold.lineage.columns.sql import read

PROJECT = Path(__file__).parents[4] / "dbt_project"
CASES = [case for engine in ("spark", "trino", "dbt") for case in golden.cases(engine)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.engine}-{case.name}" for case in CASES])
def test_as_drawn(case: golden.Case) -> None:
    reading = read(case.statement, case.dialect, golden.columns(case), catalog=golden.CATALOG, schema="default")
    assert reading is not None
    assert golden.told(reading) == golden.expected(case)


@pytest.mark.parametrize(("engine", "least"), [("spark", 60), ("trino", 40)])
def test_there_are_enough(engine: str, least: int) -> None:
    names = [case.name for case in CASES if case.engine == engine]
    assert len(names) == len(set(names)) >= least


def test_every_model_is_there_as_it_is_now() -> None:
    statements = {case.name: case.statement for case in CASES if case.engine == "dbt"}
    models = {path.stem: compiled(path) for path in (PROJECT / "models").rglob("*.sql")}
    assert models.keys() == statements.keys()
    assert [name for name, sql in models.items() if words(sql) not in words(statements[name])] == []


def compiled(model: Path) -> str:
    """What dbt makes of a model: its macros and references put in."""
    macros = (PROJECT / "macros" / "measures.sql").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - it is SQL
    return environment.from_string(macros + model.read_text(encoding="utf-8")).render(
        ref=lambda name: f'"lakehouse"."gold"."{name}"',
        source=lambda schema, name: f'"lakehouse"."{schema}"."{name}"',
    )


def words(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()
