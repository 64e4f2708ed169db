"""Runs in the engine environment: the same rules decided with numbers from one statement, and without it.

Prints JSON: per way, the verdicts and the statements that were sent. SQLite stands in for Trino, because which metrics
are known and what they mean is the same for both.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lakehold.quality import expectations
from lakehold.quality.suite import Rule

gx = expectations.great_expectations()

import sqlalchemy as sa  # noqa: E402 - Great Expectations comes first, without Spark
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData  # noqa: E402
from lakehold.quality.judge import judge  # noqa: E402
from lakehold.quality.onescan import OneScanEngine, breaking, prefetch  # noqa: E402

X = gx.expectations
ROWS = [("a", "x", 1, 1, 1), ("a", "y", 2, 1, 2), ("b", None, 70, 2, 1), ("b", "z", 4, 2, 1), ("b", "q", None, 3, 5)]
MORE_THAN = "n > 399 AND name <> ':x'"
CONDITION = Rule(
    id="c", expect="no_rows_where", severity="block", breaks="", owner="", arguments={"condition": MORE_THAN}
)
ONLY_A = {"row_condition": 'col("day")=="a"', "condition_parser": "great_expectations"}
RULES: dict[str, Any] = {
    "null": X.ExpectColumnValuesToNotBeNull(column="name"),
    "mostly": X.ExpectColumnValuesToNotBeNull(column="name", mostly=0.5),
    "between": X.ExpectColumnValuesToBeBetween(column="n", max_value=10),
    "set": X.ExpectColumnValuesToBeInSet(column="day", value_set=["a", "b"]),
    "lengths": X.ExpectColumnValueLengthsToEqual(column="day", value=1),
    "unique": X.ExpectColumnValuesToBeUnique(column="name"),
    "not unique": X.ExpectColumnValuesToBeUnique(column="k"),
    "together": X.ExpectCompoundColumnsToBeUnique(column_list=["k", "v"]),
    "together, null": X.ExpectCompoundColumnsToBeUnique(column_list=["name", "n"]),
    "rows": X.ExpectTableRowCountToBeBetween(min_value=1, max_value=10),
    "too few": X.ExpectTableRowCountToEqual(value=6),
    "exists": X.ExpectColumnToExist(column="day"),
    "columns": X.ExpectTableColumnsToMatchSet(column_set=["day", "name", "n", "k", "v"]),
    "mean": X.ExpectColumnMeanToBeBetween(column="n", min_value=0, max_value=3),
    "max": X.ExpectColumnMaxToBeBetween(column="n", max_value=70),
    "distinct": X.ExpectColumnUniqueValueCountToBeBetween(column="k", max_value=3),
    "values": X.ExpectColumnDistinctValuesToBeInSet(column="k", value_set=[1, 2]),
    "pair": X.ExpectColumnPairValuesAToBeGreaterThanB(column_A="n", column_B="k", or_equal=True),
    "equal": X.ExpectColumnPairValuesToBeEqual(column_A="k", column_B="v", ignore_row_if="either_value_is_missing"),
    "query": X.UnexpectedRowsExpectation(unexpected_rows_query="SELECT n FROM {batch} WHERE n > 3"),
    "query, met": X.UnexpectedRowsExpectation(unexpected_rows_query="SELECT n FROM {batch} WHERE n > 300"),
    "condition": expectations.expectation(gx, CONDITION),
    "of some rows": X.ExpectColumnValuesToBeBetween(column="n", max_value=10, **ONLY_A),
    "no such column": X.ExpectColumnValuesToNotBeNull(column="nome"),
}


def engine() -> tuple[OneScanEngine, list[str]]:
    sql = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with sql.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (day text, name text, n int, k int, v int)")
        for row in ROWS:
            connection.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
    asked: list[str] = []
    columns = [{"name": name, "type": sa.types.Integer()} for name in ("day", "name", "n", "k", "v")]
    made = OneScanEngine(engine=sql, columns=columns)
    made.conditions = {expectations.query(CONDITION): MORE_THAN}
    made.load_batch_data(
        "t", SqlAlchemyBatchData(execution_engine=made, query="SELECT * FROM t", create_temp_table=False)
    )
    sa.event.listen(sql, "before_cursor_execute", lambda *said: asked.append(said[2]))
    return made, asked


def told(prefetched: Any, rules: dict[str, Any]) -> dict[str, Any]:
    made, asked = engine()
    verdicts = judge(made, rules, prefetched)
    return {
        "asked": asked,
        "verdicts": {
            name: [one.met, bool(one.error), one.rows, one.unexpected, str(dict(one.result))]
            for name, one in verdicts.items()
        },
    }


def main() -> None:
    met = {
        name: rule
        for name, rule in RULES.items()
        if name in ("mostly", "set", "unique", "rows", "max", "pair", "query, met")
    }
    made, _ = engine()
    said = {
        "ours": told(prefetch, RULES),
        "stock": told(None, RULES),
        "met, ours": told(prefetch, met),
        "breaking": {
            name: breaking(made, RULES[name]) for name in ("null", "between", "set", "pair", "of some rows", "lengths")
        },
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
