"""Runs in the engine environment: one suite on a Spark frame, with rows that meet it and with some that do not."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

from lakehold.errors import RunFailedError
from lakehold.quality import frames
from pyspark.sql import SparkSession

DAYS = (date(2013, 1, 1), date(2013, 1, 2))
GOOD = [("EWR", 1, "a"), ("JFK", 2, "b"), ("LGA", 3, None)]
BAD = [("EWR", 1, "a"), ("XXX", 2, "b"), ("LGA", 99, None), ("LGA", 99, None)]
SUITE = """
summary: frames
owner: testers
tables:
  - table: silver.flights
    rules:
      - {id: origin, expect: expect_column_values_to_be_in_set, with: {column: origin, value_set: [EWR, JFK, LGA]},
         severity: block, breaks: the joins}
      - {id: n, expect: expect_column_values_to_be_between, with: {column: n, max_value: 10}, severity: warn, breaks: a}
      - {id: once, expect: expect_column_values_to_be_unique, with: {column: n}, severity: block, breaks: the sums}
      - {id: together, expect: expect_compound_columns_to_be_unique, with: {column_list: [origin, n]}, severity: warn,
         breaks: the sums}
      - {id: named, expect: expect_column_values_to_not_be_null, with: {column: name, mostly: 0.5}, severity: warn,
         breaks: a}
      - {id: some, expect: expect_table_row_count_to_be_between, with: {min_value: 3}, severity: block, breaks: a}
      - {id: where, expect: no_rows_where, with: {condition: n > 10}, severity: block, breaks: a}
      - {id: query, expect: no_rows_from, with: {query: "SELECT n FROM {batch} GROUP BY n HAVING count(*) > 1"},
         severity: block, breaks: a}
"""


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "probe.yml").write_text(SUITE)
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    said = {}
    for name, rows in (("good", GOOD), ("bad", BAD)):
        frame = spark.createDataFrame(rows, "origin string, n int, name string")
        before = len(spark.sparkContext.statusTracker().getJobIdsForGroup(None))
        found = frames.judge(frame, "probe", "silver.flights", *DAYS, folder)
        said[name] = {one.rule.id: [one.outcome, one.rows, one.unexpected] for one in found}
        said[f"{name} jobs"] = len(spark.sparkContext.statusTracker().getJobIdsForGroup(None)) - before
    none = frame.where("false")
    said["empty"] = {
        one.rule.id: one.outcome for one in frames.judge(none, "probe", "silver.flights", *DAYS, folder) if not one.met
    }
    try:
        frames.gate(frame, "probe", "silver.flights", *DAYS, folder)
    except RunFailedError as error:
        said["stopped"] = str(error)
    spark.stop()
    sys.stdout.write("\n" + json.dumps(said))


if __name__ == "__main__":
    main()
