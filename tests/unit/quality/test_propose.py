from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from lakehold.errors import DataError
from lakehold.quality import propose, suite
from lakehold.quality.propose import Profile
from lakehold.quality.suite import TableRules

TABLE = TableRules(schema="gold", table="delays", rows="", rules=(), reads="gold")
COLUMNS = [
    Profile(name="day", kind="date", nulls=0, distinct=31, low=date(2013, 1, 1), high=date(2013, 1, 31)),
    Profile(name="origin", kind="varchar", nulls=0, distinct=3, values={"LGA": 5, "EWR": 9, "it's: {x}": 1}),
    Profile(name="tail", kind="varchar", nulls=100, distinct=800, values={str(n): 1 for n in range(21)}),
    Profile(name="price", kind="decimal(12,2)", nulls=0, distinct=990, low=Decimal("0.50"), high=Decimal("70.25")),
    Profile(name="empty", kind="varchar", nulls=1000, distinct=0, values=None),
]


def test_one_statement_reads_each_column_once() -> None:
    assert propose.profile_query(
        "SELECT * FROM gold.delays", [("n", "bigint"), ("s", "varchar(3)"), ("b", "boolean")]
    ) == (
        'SELECT count(*), count_if("n" IS NULL), approx_distinct("n"), min("n"), max("n"), count_if("s" IS NULL), '
        'approx_distinct("s"), approx_most_frequent(21, CAST("s" AS varchar), 1000), count_if("b" IS NULL), '
        'approx_distinct("b") FROM (SELECT * FROM gold.delays) AS profiled'
    )


def test_what_is_proposed_is_a_suite_with_the_data_in_it() -> None:
    text = propose.text(TABLE, 1000, COLUMNS)
    (table,) = suite.parse(text, "delays", date(2013, 1, 1), date(2013, 1, 2)).tables
    rules = {rule.id: rule for rule in table.rules}
    assert set(rules) == {
        "has_rows", "day_is_there", "origin_is_there", "origin_is_known", "tail_is_mostly_there", "price_is_there",
        "price_is_plausible", "price_is_unique",
    }  # fmt: skip
    assert rules["origin_is_known"].arguments["value_set"] == ["EWR", "LGA", "it's: {x}"]
    assert rules["price_is_plausible"].arguments == {"column": "price", "min_value": 0.5, "max_value": 70.25}
    assert rules["tail_is_mostly_there"].arguments["mostly"] == 0.85
    assert rules["day_is_there"].severity == "block"
    assert "# rows: day >= DATE '{from}' AND day < DATE '{to}'" in text
    assert "# day: 2013-01-01 to 2013-01-31" in text


def test_nothing_is_proposed_from_nothing() -> None:
    with pytest.raises(DataError, match="has no rows"):
        propose.text(TABLE, 0, COLUMNS)
