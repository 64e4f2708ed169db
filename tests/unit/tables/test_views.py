from __future__ import annotations

import pytest
from lakehold.errors import DataError
from lakehold.tables.views import rewritten, sql

INTO = {"gold": "gold__audit_0123456789"}
BACK = {new: old for old, new in INTO.items()}

STATEMENTS = [
    ("SELECT * FROM gold.delays", "SELECT * FROM gold__audit_0123456789.delays"),
    ('SELECT * FROM "lakehouse"."gold"."delays"', 'SELECT * FROM "lakehouse"."gold__audit_0123456789"."delays"'),
    ("SELECT * FROM Lakehouse . GOLD . delays", "SELECT * FROM Lakehouse . gold__audit_0123456789 . delays"),
    ("SELECT gold.d.n FROM gold.d", "SELECT gold__audit_0123456789.d.n FROM gold__audit_0123456789.d"),
    ("SELECT * FROM `lakehouse`.`gold`.d", "SELECT * FROM `lakehouse`.`gold__audit_0123456789`.d"),
    ("SELECT 'gold.d' -- gold.d\n/* gold.d */ FROM silver.d", "SELECT 'gold.d' -- gold.d\n/* gold.d */ FROM silver.d"),
    ("SELECT golden.n FROM other.gold.d golden", "SELECT golden.n FROM other.gold.d golden"),
    ("SELECT x.gold.n FROM silver.x", "SELECT x.gold.n FROM silver.x"),
    # `gold` is a table's name here; only what follows the catalog's name is surely the schema.
    (
        "SELECT gold.n FROM silver.x gold, lakehouse.gold.y",
        "SELECT gold.n FROM silver.x gold, lakehouse.gold__audit_0123456789.y",
    ),
    ("SELECT \"gold.d\", 'it''s gold.d' FROM silver.x", "SELECT \"gold.d\", 'it''s gold.d' FROM silver.x"),
    ("SELECT n /* nothing */ FROM d", "SELECT n /* nothing */ FROM d"),
    ("", ""),
]


@pytest.mark.parametrize(("published", "shadowed"), STATEMENTS)
def test_only_the_schema_s_name_is_replaced_and_comes_back(published: str, shadowed: str) -> None:
    assert sql(published, INTO, "lakehouse") == shadowed
    assert sql(shadowed, BACK, "lakehouse").lower() == published.lower()


@pytest.mark.parametrize("reads", ["FROM gold.d AS gold", "FROM silver.x AS gold JOIN gold.d ON true"])
def test_a_name_that_may_be_the_schema_or_an_alias_is_refused_in_what_counts(reads: str) -> None:
    text = f"SELECT gold.n {reads}"
    versions = [
        {"version-id": number, "representations": [{"sql": said}]} for number, said in ((1, text), (2, "SELECT 1"))
    ]
    assert rewritten({"current-version-id": 2, "versions": versions}, INTO, "lakehouse")
    with pytest.raises(DataError, match="whether that is the schema cannot be told"):
        rewritten({"current-version-id": 1, "versions": versions}, INTO, "lakehouse")
    sure = text.replace("gold.d", "lakehouse.gold.d")
    assert "lakehouse.gold__audit_0123456789.d" in sql(sure, INTO, "lakehouse", strict=True)


def test_an_alias_that_can_be_no_schema_is_left_alone() -> None:
    text = "SELECT gold.n FROM silver.x AS gold"
    assert sql(text, INTO, "lakehouse", strict=True) == text


def test_every_version_s_sql_and_default_schema_move() -> None:
    version = {
        "version-id": 1,
        "default-catalog": "lakehouse",
        "default-namespace": ["gold"],
        "representations": [{"type": "sql", "sql": "SELECT * FROM gold.a", "dialect": "trino"}],
    }
    view = {"view-uuid": "u", "versions": [version, {**version, "default-namespace": ["silver"]}]}
    moved = rewritten(view, INTO, "lakehouse")
    assert [one["default-namespace"] for one in moved["versions"]] == [["gold__audit_0123456789"], ["silver"]]
    assert rewritten(moved, BACK, "lakehouse") == view
    assert view["versions"] == [version, {**version, "default-namespace": ["silver"]}]
