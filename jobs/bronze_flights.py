"""Loads the landed day files of an interval into ``bronze.flights``, and the reference files into their tables.

    spark-submit bronze_flights.py --from 2013-01-01 --to 2013-01-02        (half-open: the last day is not loaded)

Each file replaces its day, so a late or corrected file is loaded by running its day again, and a rerun changes nothing.
A file that is missing or not as promised is left out: its day keeps what it had, the others are loaded, and the job
ends with exit code 8 naming every such file. So nothing is built on a day that is known to be bad; and in an audited
group, where the tables written to are shadows, nothing of it is published.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import interval
import pyarrow as pa
import pyarrow.compute as pc
from bronze_reference import ensure_reference
from lakehold.config import platform
from lakehold.lineage.tell import Loaded, tell
from lakehold.tables.shadow import written
from landed import EXIT_BAD_INPUT, LandedFile, Landing, Refused, parse, stamped
from place import location_clause
from pyspark.sql import SparkSession
from pyspark.sql.types import IntegerType, StringType, StructField, StructType, TimestampType
from replace import PARTITIONING, replace_days

TABLE = f"lakehouse.{written('bronze.flights')}"


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
) USING iceberg {PARTITIONING}
COMMENT 'Flights as the airline delivered them, one row per landed row'
"""


def key_of(day: date) -> str:
    """Where a day's file lands."""
    return f"flights/{day}.csv"


def parse_day(file: LandedFile, day: date) -> pa.Table | Refused:
    """Parse one day's file; flights of another day in it are a reason to refuse it."""
    table = parse(file, FLIGHTS)
    if isinstance(table, Refused):
        return table
    parts = [pc.equal(table[name], getattr(day, name)) for name in ("year", "month", "day")]
    other = table.num_rows - pc.sum(pc.and_(pc.and_(parts[0], parts[1]), parts[2])).as_py()
    if other:
        return Refused(key=file.key, reasons=(f"wrong day: {other} of {table.num_rows} rows are not of {day}",))
    return stamped(table, file, {"flight_date": day})


def read_days(landing: Landing, wanted: list[date]) -> tuple[dict[date, pa.Table], list[Refused]]:
    """Read and check every day; what is refused is quarantined at once."""
    good: dict[date, pa.Table] = {}
    bad: list[Refused] = []
    for day, file in zip(wanted, landing.read([key_of(day) for day in wanted]), strict=True):
        result = file if isinstance(file, Refused) else parse_day(file, day)
        if isinstance(result, Refused):
            bad.append(result)
            where = "" if isinstance(file, Refused) else f" -> {landing.quarantine(file, result)}"
            print(f"refused {result}{where}", file=sys.stderr)
        else:
            good[day] = result
    return good, bad


def write(spark: SparkSession, tables: list[pa.Table], loaded: list[date]) -> None:
    """Replace the days ``loaded`` by ``tables`` in one commit."""
    spark.sql(f"{CREATE} {location_clause(spark, TABLE)}")
    rows = spark.createDataFrame(pa.concat_tables(tables).combine_chunks())
    replace_days(spark, TABLE, rows, loaded)


def loaded(bucket: str, days: Iterable[date]) -> Loaded:
    """Say where the rows are from: Spark is given them as they are, and has not seen the files."""
    same = {field.name: [field.name] for field in FLIGHTS.fields}
    return Loaded(
        table="bronze.flights",
        source=f"s3://{bucket}/flights",
        files=[f"s3://{bucket}/{key_of(day)}" for day in days],
        columns={**same, "flight_date": ["year", "month", "day"]},
    )


def main() -> int:
    """Load the interval; 0 when every file of it is loaded."""
    wanted = interval.from_command_line(__doc__)
    known = platform.load()
    landing = Landing(known.s3)
    with ThreadPoolExecutor(1) as aside:
        # Java needs seconds for it, in which Python reads the files.
        session = aside.submit(SparkSession.builder.getOrCreate)
        tables, refused = read_days(landing, wanted)
        spark = session.result()
    bad, loads = ensure_reference(spark, landing)
    refused += bad
    if tables:
        write(spark, list(tables.values()), list(tables))
        loads.append(loaded(landing.bucket, tables))
    spark.stop()
    if why := tell(loads, known):
        print(f"warning: lineage is not told of the landed files: {why}", file=sys.stderr)
    rows = sum(table.num_rows for table in tables.values())
    print(f"{TABLE}: {rows} rows of {len(tables)} of {len(wanted)} days, {wanted[0]} to {wanted[-1]}")
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
