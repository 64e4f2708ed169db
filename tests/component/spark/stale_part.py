"""A writer that read before somebody else wrote: run by Spark, prints what became of it."""

from __future__ import annotations

from datetime import date

import replace
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

TABLE = "lakehouse.bronze.replace_probe"
JANUARY = [date(2013, 1, day) for day in (1, 2, 3)]

spark = SparkSession.builder.getOrCreate()
spark.sql(f"DROP TABLE IF EXISTS {TABLE} PURGE")
spark.sql(f"CREATE TABLE {TABLE} (flight_date date, n int) USING iceberg {replace.PARTITIONING}")


def rows(day: date, *numbers: int) -> list[tuple[date, int]]:
    return [(day, number) for number in numbers]


def put(day: date, *numbers: int) -> None:
    replace.replace_days(spark, TABLE, spark.createDataFrame(rows(day, *numbers), "flight_date date, n int"), [day])


def content() -> list[tuple[int, int]]:
    return sorted((row["flight_date"].day, row["n"]) for row in spark.table(TABLE).collect())


put(JANUARY[0], 1, 2)
put(JANUARY[1], 3)
put(JANUARY[0], 4)
print("replaced", content())  # noqa: T201 - the test reads it

before = replace._snapshot(spark, TABLE)
put(JANUARY[2], 5)
replace._snapshot = lambda *_: before
try:
    put(JANUARY[1], 6)
except Py4JJavaError as error:
    print("refused", "conflicting files" in str(error.java_exception))  # noqa: T201 - the test reads it
print("kept", content())  # noqa: T201 - the test reads it
spark.sql(f"DROP TABLE {TABLE} PURGE")
