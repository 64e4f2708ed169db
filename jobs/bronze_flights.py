"""Loads the landed day files of an interval into ``bronze.flights``, and the reference files into their tables.

    spark-submit bronze_flights.py --from 2013-01-01 --to 2013-01-02        (half-open: the last day is not loaded)

Each file replaces its day, so a late or corrected file is loaded by running its day again, and a rerun changes nothing.
A file that is missing or not as promised is left out: its day keeps what it had, the others are loaded, and the job
ends with exit code 8 naming every such file. So nothing is built on a day that is known to be bad.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from bronze_reference import ensure_reference
from lakehold.config import platform
from landed import EXIT_BAD_INPUT, LandedFile, Landing, Refused, parse, stamped
from pyspark.sql import SparkSession
from pyspark.sql.types import IntegerType, StringType, StructField, StructType, TimestampType

TABLE = "lakehouse.bronze.flights"


def _required(name: str, kind: IntegerType | StringType | TimestampType) -> StructField:
    return StructField(name, kind, nullable=False)


FLIGHTS = StructType(
    [
        _required("year", IntegerType()),
        _required("month", IntegerType()),
        _required("day", IntegerType()),
        StructField("dep_time", IntegerType()),
        _required("sched_dep_time", IntegerType()),
        StructField("dep_delay", IntegerType()),
        StructField("arr_time", IntegerType()),
        _required("sched_arr_time", IntegerType()),
        StructField("arr_delay", IntegerType()),
        _required("carrier", StringType()),
        _required("flight", IntegerType()),
        StructField("tailnum", StringType()),
        _required("origin", StringType()),
        _required("dest", StringType()),
        StructField("air_time", IntegerType()),
        _required("distance", IntegerType()),
        _required("hour", IntegerType()),
        _required("minute", IntegerType()),
        _required("time_hour", TimestampType()),
    ]
)

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
  {", ".join(f"{field.name} {field.dataType.simpleString()}" for field in FLIGHTS.fields)},
  flight_date date COMMENT 'Day of the scheduled departure in New York; the day of the file',
  _source_file string COMMENT 'The landed file a row was read from',
  _file_sha256 string COMMENT 'Checksum of that file as it was read'
) USING iceberg PARTITIONED BY (flight_date)
COMMENT 'Flights as the airline delivered them, one row per landed row'
"""


def days(start: date, end: date) -> list[date]:
    """Every day of [start, end)."""
    return [start + timedelta(days=n) for n in range((end - start).days)]


def key_of(day: date) -> str:
    """Where a day's file lands."""
    return f"flights/{day}.csv"


def parse_day(file: LandedFile, day: date) -> pa.Table | Refused:
    """Parse one day's file; flights of another day in it are a reason to refuse it."""
    table = parse(file, FLIGHTS)
    if isinstance(table, Refused):
        return table
    other = table.num_rows
    same = pc.and_(
        pc.and_(pc.equal(table["year"], day.year), pc.equal(table["month"], day.month)), pc.equal(table["day"], day.day)
    )
    other -= pc.sum(same).as_py()
    if other:
        return Refused(key=file.key, reasons=(f"wrong day: {other} of {table.num_rows} rows are not of {day}",))
    return stamped(table, file, {"flight_date": day})


def read_days(landing: Landing, wanted: list[date]) -> tuple[list[pa.Table], list[Refused]]:
    """Read and check every day; what is refused is quarantined at once."""
    good: list[pa.Table] = []
    bad: list[Refused] = []
    for day, file in zip(wanted, landing.read([key_of(day) for day in wanted]), strict=True):
        result = file if isinstance(file, Refused) else parse_day(file, day)
        if isinstance(result, Refused):
            bad.append(result)
            where = "" if isinstance(file, Refused) else f" -> {landing.quarantine(file, result)}"
            print(f"refused {result}{where}", file=sys.stderr)
        else:
            good.append(result)
    return good, bad


def write(spark: SparkSession, tables: list[pa.Table]) -> None:
    """Replace the days of ``tables`` in one commit."""
    spark.sql(CREATE)
    rows = spark.createDataFrame(pa.concat_tables(tables).combine_chunks())
    # Without fanout each task writes one day after the other: an open file takes a megabyte, a year has 365.
    rows.writeTo(TABLE).option("fanout-enabled", "false").overwritePartitions()


def main() -> int:
    """Load the interval; 0 when every file of it is loaded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--to", dest="end", type=date.fromisoformat, required=True, metavar="DATE")
    args = parser.parse_args()
    wanted = days(args.start, args.end)
    if not wanted:
        parser.error(f"the interval [{args.start}, {args.end}) has no day")
    landing = Landing(platform.load().s3)
    tables, refused = read_days(landing, wanted)
    spark = SparkSession.builder.getOrCreate()
    refused += ensure_reference(spark, landing)
    if tables:
        write(spark, tables)
    spark.stop()
    rows = sum(table.num_rows for table in tables)
    print(f"{TABLE}: {rows} rows of {len(tables)} of {len(wanted)} days [{args.start}, {args.end})")
    if not refused:
        return 0
    print(
        f"{len(refused)} files were refused; their days keep what they had. Deliver them corrected and run this again:",
        *(f"  {one}" for one in refused),
        sep="\n",
        file=sys.stderr,
    )
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
