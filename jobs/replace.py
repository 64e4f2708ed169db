"""Replaces days of a table in one commit, and leaves every other day as it is.

Tables are partitioned by month, because a file a day is a few kilobytes, and whoever reads a year would open 365 of
them. So a day is replaced by writing its month again: the new day, and the other days' rows just as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

PARTITIONING = "PARTITIONED BY (months(flight_date))"


def replace_days(spark: SparkSession, table: str, rows: DataFrame, days: Iterable[date]) -> None:
    """Make ``rows`` the content of ``days`` in ``table``; ``rows`` has the table's columns and no other day's rows.

    Fails, and changes nothing, when somebody else has changed one of the months since this began to read.
    """
    replaced = sorted(set(days))
    columns = spark.table(table).columns
    new = rows.select(*columns)
    writer_options = {}
    if snapshot := _snapshot(spark, table):
        new = new.unionByName(_kept(spark.read.option("versionAsOf", snapshot).table(table), replaced))
        writer_options = {"validate-from-snapshot-id": snapshot, "isolation-level": "serializable"}
    # Without fanout a task writes one file after the other: an open one takes a megabyte.
    new.writeTo(table).options(**writer_options, **{"fanout-enabled": "false"}).overwritePartitions()


def _kept(existing: DataFrame, replaced: list[date]) -> DataFrame:
    months = sorted({day.replace(day=1) for day in replaced})
    touched = (f.col("flight_date") >= months[0]) & (f.col("flight_date") < _after(months[-1]))
    in_month = f.trunc("flight_date", "month").isin(months)
    return existing.where(touched & in_month & ~f.col("flight_date").isin(replaced))


def _after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _snapshot(spark: SparkSession, table: str) -> str | None:
    main = spark.table(f"{table}.refs").where("name = 'main'").head()
    return str(main["snapshot_id"]) if main else None
