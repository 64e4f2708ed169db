"""Measure what a gate costs: a suite of ten rules over six million rows, against one SQL statement written by hand.

    python bench/gates.py [--repeat 5]

Starts Trino and what it needs in a state directory of its own that is removed afterwards, and copies `lineitem` of
Trino's tpch connector (scale factor 1, 6,001,215 rows) into an Iceberg table. The statement by hand, our gate and stock
Great Expectations take turns, so that all meet the same minute; medians are compared. The result is printed as JSON;
ends with exit code 1 when our gate takes more than 1.3 times the statement by hand, or when the three disagree.
Importing Great Expectations is not in these times, and shown by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
PROMISED = 1.3
TABLE = "bronze.bench_lineitem"
MODES = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
RULES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("expect_column_values_to_not_be_null", {"column": "l_orderkey"}),
    ("expect_column_values_to_be_between", {"column": "l_quantity", "min_value": 1, "max_value": 50}),
    ("expect_column_values_to_be_between", {"column": "l_discount", "min_value": 0, "max_value": 0.1}),
    ("expect_column_values_to_be_in_set", {"column": "l_returnflag", "value_set": ["A", "N", "R"]}),
    ("expect_column_values_to_be_in_set", {"column": "l_shipmode", "value_set": MODES}),
    ("expect_column_value_lengths_to_be_between", {"column": "l_comment", "max_value": 44}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "l_receiptdate", "column_B": "l_shipdate"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["l_orderkey", "l_linenumber"]}),
    ("expect_table_row_count_to_be_between", {"min_value": 6_000_000, "max_value": 6_100_000}),
    ("expect_column_mean_to_be_between", {"column": "l_extendedprice", "min_value": 38_000, "max_value": 39_000}),
)
COUNTS = """
SELECT count(*), count_if(l_orderkey IS NULL), count_if(l_quantity NOT BETWEEN 1 AND 50),
  count_if(l_discount NOT BETWEEN 0 AND 0.1), count_if(l_returnflag NOT IN ('A', 'N', 'R')),
  count_if(l_shipmode NOT IN ('AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK')),
  count_if(length(l_comment) > 44), count_if(l_receiptdate <= l_shipdate), avg(l_extendedprice)
"""
TWICE = f"SELECT count(*) FROM (SELECT 1 FROM {TABLE} GROUP BY l_orderkey, l_linenumber HAVING count(*) > 1)"  # noqa: S608 - a constant
BY_HAND = {
    "group by": f"{COUNTS}, ({TWICE}) FROM {TABLE}",
    "distinct": f"{COUNTS}, count(*) - count(DISTINCT (l_orderkey, l_linenumber)) FROM {TABLE}",
}
"""The same checks in one statement, in the two ways people write uniqueness; the faster one is compared."""


def measure(repeat: int) -> dict[str, Any]:
    """Take turns; runs in the engine environment, with the table in place."""
    began = time.monotonic()
    from lakehold.quality import expectations

    gx = expectations.great_expectations()
    imported = time.monotonic() - began
    from lakehold.config import platform
    from lakehold.quality import validation
    from lakehold.quality.suite import Rule, TableRules

    known = platform.load()
    schema, _, name = TABLE.partition(".")
    rules = tuple(
        Rule(id=str(number), expect=expect, arguments=arguments, severity="block", breaks="nothing", owner="nobody")
        for number, (expect, arguments) in enumerate(RULES)
    )
    table = TableRules(schema=schema, table=name, reads=schema, rows="", rules=rules)
    ways: dict[str, Callable[[], bool]] = {
        **{f"by hand, {name}": lambda sql=sql: by_hand(known, sql) for name, sql in BY_HAND.items()},  # type: ignore[misc]  # a default argument
        "ours": lambda: all(finding.met for finding in validation.run(table, known.trino)),
        "stock": lambda: stock(gx, known, table),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeat + 1):
        names = list(ways)
        # Another one begins each time: what comes after the heaviest meets a server that still clears up.
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.monotonic()
            if not ways[name]():
                raise SystemExit(f"{name}: the rules are broken on data that meet them")
            if turn:  # the first warms Trino up
                seconds[name].append(time.monotonic() - began)
            sys.stderr.write(f"{name}: {time.monotonic() - began:.2f} s\n")
    median = {name: statistics.median(values) for name, values in seconds.items()}
    hand = min(value for name, value in median.items() if name.startswith("by hand"))
    return {
        "rows": 6_001_215,
        "rules": len(table.rules),
        "seconds": {name: round(value, 2) for name, value in median.items()},
        "import_seconds": round(imported, 2),
        "ours_vs_by_hand": round(median["ours"] / hand, 2),
        "stock_vs_by_hand": round(median["stock"] / hand, 2),
    }


def by_hand(known: Any, sql: str) -> bool:
    """Ask once and look at the numbers."""
    from lakehold.quality import validation

    engine = validation.connect(known.trino, "bronze")
    with engine.connect() as connection:
        rows, *broken, mean, twice = connection.exec_driver_sql(sql).fetchone()
    engine.dispose()
    return 6_000_000 <= rows <= 6_100_000 and not any(broken) and 38_000 <= mean <= 39_000 and not twice


def stock(gx: Any, known: Any, table: Any) -> bool:
    """Run Great Expectations as its documentation says, yes or no being enough."""
    from urllib.parse import quote

    from lakehold.quality import expectations

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    login = f"gates:{quote(known.trino.passwords['gates'], safe='')}@{known.trino.host}:{known.trino.port}"
    source = context.data_sources.add_sql(
        name="bench",
        connection_string=f"trino://{login}/{known.trino.catalog}/{table.reads}",
        kwargs={"connect_args": {"http_scheme": "https", "verify": known.trino.ca, "source": "bench-stock"}},
    )
    asset = source.add_table_asset(name=table.table, table_name=table.table)
    batch = asset.add_batch_definition_whole_table(name="all").get_batch()
    rules = [expectations.expectation(gx, rule) for rule in table.rules]
    outcome = batch.validate(gx.ExpectationSuite(name="bench", expectations=rules), result_format="BOOLEAN_ONLY")
    return bool(outcome.success)


def prepared(state: Path, repeat: int) -> dict[str, Any]:
    """Start Trino, make the table, and measure in the engine environment."""
    os.environ["LAKEHOLD_STATE"] = str(state)
    from lakehold.cli import engine
    from lakehold.cli.context import Context
    from lakehold.cli.sql import connect

    lakehold = [sys.executable, "-m", "lakehold.cli.main"]
    try:
        subprocess.run([*lakehold, "up", "trino"], cwd=CHECKOUT, stdout=sys.stderr, check=True)
        site = Context().existing_site()
        with closing(connect(site, "admin")) as connection:
            copy = f"CREATE TABLE {TABLE} AS SELECT {COLUMNS} FROM tpch.sf1.lineitem"  # noqa: S608 - constants
            connection.cursor().execute(copy).fetchall()
        done = subprocess.run(
            [str(site.pythons["engine"]), __file__, "--measure", "--repeat", str(repeat)],
            env=engine.environment(site),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        result: dict[str, Any] = json.loads(done.stdout)
        turns = repeat + 1
        asked = "SELECT source, count(*) FROM system.runtime.queries GROUP BY source"
        with closing(connect(site, "admin")) as connection:
            counts = dict(connection.cursor().execute(asked).fetchall())
        ours = counts["lakehold-gate"] // turns - len(BY_HAND)
        return {**result, "queries": {"ours": ours, "stock": counts["bench-stock"] // turns}}
    finally:
        subprocess.run([*lakehold, "down"], cwd=CHECKOUT, stdout=sys.stderr, check=True)


_NAMES = "orderkey linenumber quantity extendedprice discount tax returnflag linestatus shipdate commitdate receiptdate"
COLUMNS = ", ".join(f"{name} AS l_{name}" for name in f"{_NAMES} shipinstruct shipmode comment".split())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.repeat)))  # noqa: T201 - its result
        return 0
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        Path(folder).chmod(0o711)
        result = prepared(Path(folder) / "state", args.repeat)
    print(json.dumps(result, indent=2))  # noqa: T201 - its result
    return 0 if result["ours_vs_by_hand"] <= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
