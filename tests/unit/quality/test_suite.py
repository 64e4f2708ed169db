from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from lakehold.errors import ConfigError
from lakehold.quality import suite

REPOSITORY = Path(__file__).resolve().parents[3]
DAY = (date(2013, 1, 1), date(2013, 1, 2))

SUITE = """
summary: flights
owner: data-platform
tables:
  - table: bronze.flights
    rows: flight_date >= DATE '{from}' AND flight_date < DATE '{to}'
    rules:
      - id: known_origin
        expect: expect_column_values_to_be_in_set
        with: {column: origin, value_set: [EWR]}
        severity: block
        breaks: The weather.
      - id: no_ghosts
        expect: no_rows_from
        with: {query: "SELECT 1 FROM {batch} WHERE flight_date < DATE '{from}'"}
        severity: warn
        owner: someone-else
        breaks: Nothing much.
"""


def read(text: str) -> suite.Suite:
    return suite.parse(text, "flights", *DAY)


def test_the_interval_is_filled_in_and_the_batch_is_left_to_great_expectations() -> None:
    (table,) = read(SUITE).tables
    assert table.name == "bronze.flights"
    assert table.rows == "flight_date >= DATE '2013-01-01' AND flight_date < DATE '2013-01-02'"
    assert table.rules[1].arguments["query"] == "SELECT 1 FROM {batch} WHERE flight_date < DATE '2013-01-01'"


def test_a_rule_has_its_own_owner_or_the_suites() -> None:
    (table,) = read(SUITE).tables
    assert [rule.owner for rule in table.rules] == ["data-platform", "someone-else"]
    assert [rule.severity for rule in table.rules] == ["block", "warn"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "severity: block",
            "severity: fatal",
            "flights.tables[0].rules[0].severity: 'fatal' is neither block nor warn",
        ),
        ("severity: block", "sevrity: block", 'rules[0].sevrity: unknown key, did you mean "severity"?'),
        ("breaks: The weather.", "breaks:", "rules[0].breaks: missing"),
        ("table: bronze.flights", "table: flights", "tables[0].table: expected schema.table"),
        ("FROM {batch}", "FROM bronze.flights", "rules[1].with.query: the query must read {batch}"),
        ("id: no_ghosts", "id: known_origin", "the rule 'known_origin' is there twice"),
        ("with: {column: origin, value_set: [EWR]}", "with: [origin]", "rules[0].with: expected a mapping"),
        ("tables:", "tables: [", "not YAML"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_path(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(SUITE.replace(old, new))
    assert said in str(refused.value)


def test_an_unknown_suite_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "gold.yml").write_text(SUITE)
    with pytest.raises(ConfigError, match=r"the suites there are: gold"):
        suite.load(tmp_path, "glod", *DAY)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "quality").glob("*.yml")), ids=lambda path: path.stem)
def test_every_suite_of_the_platform_reads_and_says_what_breaks(path: Path) -> None:
    loaded = suite.load(path.parent, path.stem, *DAY)
    rules = [rule for table in loaded.tables for rule in table.rules]
    assert any(rule.severity == "block" for rule in rules)
    assert all(len(rule.breaks.split()) >= 3 for rule in rules)
