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


def test_a_table_says_whether_its_rows_or_rules_depend_on_the_interval() -> None:
    always = SUITE.replace(" WHERE flight_date < DATE '{from}'", "").replace("{from}", "2013-01-01")
    assert read(SUITE).tables[0].interval == DAY
    assert read(always).tables[0].interval == DAY, "{to} is left"
    assert read(always.replace("{to}", "2014-01-01")).tables[0].interval is None
    assert read(always.replace("{to}", "2014-01-01").replace("[EWR]", "['{from}']")).tables[0].interval == DAY


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
        ("    rules:", "    scope: week\n    rules:", "tables[0].scope: 'week' is neither table nor changed"),
        ("severity: warn", "severity: warn\n        at_most: 0.1", "at_most: only a rule with on_failure: quarantine"),
        (
            "severity: warn",
            "severity: block\n        on_failure: quarantine",
            "no_rows_from does not say which rows break it, so none can be moved",
        ),
        ("severity: block", "severity: block\n        on_failure: drop", "on_failure: 'drop' is not quarantine"),
        ("severity: block", "severity: warn\n        on_failure: quarantine", "blocks when it cannot move the rows"),
        (
            "severity: block",
            "severity: block\n        on_failure: quarantine\n        at_most: 2",
            "at_most: 2 is not a share between 0 and 1",
        ),
    ],
)
def test_what_is_not_understood_is_refused_with_its_path(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(SUITE.replace(old, new))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("expect", "allowed"),
    [
        ("no_rows_where", True),
        ("expect_column_values_to_not_be_null", True),
        ("expect_column_value_lengths_to_equal", True),
        ("expect_column_pair_values_to_be_equal", True),
        ("expect_column_values_to_be_unique", False),
        ("expect_column_values_to_be_increasing", False),
        ("expect_compound_columns_to_be_unique", False),
        ("expect_column_mean_to_be_between", False),
        ("expect_table_row_count_to_equal", False),
    ],
)
def test_only_rules_that_a_row_breaks_by_itself_may_move_rows(expect: str, allowed: bool) -> None:
    moving = SUITE.replace("severity: block", "severity: block\n        on_failure: quarantine")
    arguments = "{condition: x > 1}" if expect == "no_rows_where" else "{column: origin}"
    text = moving.replace("expect_column_values_to_be_in_set", expect).replace(
        "{column: origin, value_set: [EWR]}", arguments
    )
    if allowed:
        assert read(text).tables[0].rules[0].quarantine == suite.AT_MOST
    else:
        with pytest.raises(ConfigError, match="does not say which rows break it"):
            read(text)


def test_redirected_schemas_are_read_in_their_shadow_everywhere() -> None:
    text = SUITE.replace("FROM {batch}", "FROM {batch} AS b JOIN bronze.airlines AS a ON true")
    text = text.replace("rows: flight_date", "rows: carrier IN (SELECT carrier FROM bronze.airlines) AND flight_date")
    (table,) = suite.parse(text, "flights", *DAY, {"bronze": "bronze__audit_1"}).tables
    assert (table.name, table.reads, table.is_shadow) == ("bronze.flights", "bronze__audit_1", True)
    assert 'FROM "bronze__audit_1".airlines' in table.rows
    assert 'JOIN "bronze__audit_1".airlines' in table.rules[1].arguments["query"]


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


def test_the_reference_page_has_every_key() -> None:
    page = (REPOSITORY / "docs" / "reference" / "suites.md").read_text(encoding="utf-8")
    keys = ["summary", "owner", *(f"tables[].{key}" for key in ("table", "rows", "scope"))]
    keys += [
        f"rules[].{key}" for key in ("id", "expect", "with", "severity", "breaks", "owner", "on_failure", "at_most")
    ]
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")][: len(keys)] == keys
