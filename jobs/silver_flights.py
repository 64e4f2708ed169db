"""Joins an interval of ``bronze.flights`` with weather, planes, airports and airlines into ``silver.flights``.

    spark-submit silver_flights.py --from 2013-01-01 --to 2013-01-02        (half-open: the last day is not loaded)

Every bronze row becomes exactly one silver row: all joins are outer and every reference table has one row a key (bronze
refuses a reference file otherwise). The days of the interval are replaced.
"""

from __future__ import annotations

import sys
from datetime import date

import interval
from lakehold.tables.shadow import written
from place import location_clause
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from replace import PARTITIONING, replace_days

TABLE = f"lakehouse.{written('silver.flights')}"

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
  flight_date date COMMENT 'Day of the scheduled departure in New York',
  carrier string, carrier_name string, flight int, tailnum string,
  origin string, origin_name string, dest string, dest_name string, dest_lat double, dest_lon double, dest_tz string,
  time_hour timestamp COMMENT 'Scheduled departure, cut to the hour, UTC: the key of the weather',
  sched_dep_time int COMMENT 'Local time as HMM, like the times below', dep_time int, dep_delay int COMMENT 'Minutes',
  sched_arr_time int, arr_time int, arr_delay int COMMENT 'Minutes; null when cancelled or diverted',
  air_time int COMMENT 'Minutes', distance int COMMENT 'Miles', cancelled boolean COMMENT 'It never departed',
  plane_year int, plane_type string, plane_manufacturer string, plane_model string, plane_seats int,
  temp double COMMENT 'Fahrenheit', dewp double, humid double, wind_dir int, wind_speed double, wind_gust double,
  precip double COMMENT 'Inches in the hour', pressure double, visib double COMMENT 'Miles'
) USING iceberg {PARTITIONING}
COMMENT 'One row per flight, with carrier, airports, aircraft and the weather at departure'
"""


def joined(spark: SparkSession, first: date, last: date) -> DataFrame:
    """Select the flights from ``first`` to ``last`` with everything known about them."""
    flights = spark.table("lakehouse.bronze.flights").where(f.col("flight_date").between(first, last))
    airlines = spark.table("lakehouse.bronze.airlines").select("carrier", f.col("name").alias("carrier_name"))
    airports = spark.table("lakehouse.bronze.airports")
    origins = airports.select(f.col("faa").alias("origin"), f.col("name").alias("origin_name"))
    destinations = airports.select(
        f.col("faa").alias("dest"),
        f.col("name").alias("dest_name"),
        f.col("lat").alias("dest_lat"),
        f.col("lon").alias("dest_lon"),
        f.col("tzone").alias("dest_tz"),
    )
    planes = spark.table("lakehouse.bronze.planes").select(
        "tailnum", *(f.col(name).alias(f"plane_{name}") for name in ("year", "type", "manufacturer", "model", "seats"))
    )
    weather = spark.table("lakehouse.bronze.weather").drop("year", "month", "day", "hour")
    return (
        flights.withColumn("cancelled", f.col("dep_time").isNull())
        .join(f.broadcast(airlines), "carrier", "left")
        .join(f.broadcast(origins), "origin", "left")
        .join(f.broadcast(destinations), "dest", "left")
        .join(f.broadcast(planes), "tailnum", "left")
        .join(f.broadcast(weather), ["origin", "time_hour"], "left")
    )


def main() -> int:
    """Load the interval."""
    days = interval.from_command_line(__doc__)
    spark = SparkSession.builder.getOrCreate()
    spark.sql(f"{CREATE} {location_clause(spark, TABLE)}")
    replace_days(spark, TABLE, joined(spark, days[0], days[-1]), days)
    spark.stop()
    print(f"{TABLE}: {len(days)} days, {days[0]} to {days[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
