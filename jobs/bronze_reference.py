"""Loads the reference files (airlines, airports, planes, weather) into bronze, each only when it changed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pyarrow as pa
from lakehold.lineage.tell import Loaded
from lakehold.tables.shadow import written
from landed import Landing, Refused, parse
from place import folder_for
from pyspark.sql import SparkSession
from pyspark.sql.types import DataType, DoubleType, IntegerType, StringType, StructField, StructType, TimestampType

SOURCE_SUM = "lakehold.source-sha256"
"""The table property that says which file a table holds."""

_TEXT, _INT, _REAL = StringType(), IntegerType(), DoubleType()


def _schema(required: dict[str, DataType], optional: dict[str, DataType], order: str) -> StructType:
    kinds = {**required, **optional}
    return StructType([StructField(name, kinds[name], nullable=name in optional) for name in order.split(",")])


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference file: what it holds, and the columns that name a row."""

    comment: str
    key: tuple[str, ...]
    schema: StructType


REFERENCES = {
    "airlines": Reference(
        comment="Carriers by their two-letter code",
        key=("carrier",),
        schema=_schema({"carrier": _TEXT, "name": _TEXT}, {}, "carrier,name"),
    ),
    "airports": Reference(
        comment="Airports by their FAA code",
        key=("faa",),
        schema=_schema(
            {"faa": _TEXT, "name": _TEXT, "lat": _REAL, "lon": _REAL},
            {"alt": _INT, "tz": _INT, "dst": _TEXT, "tzone": _TEXT},
            "faa,name,lat,lon,alt,tz,dst,tzone",
        ),
    ),
    "planes": Reference(
        comment="Aircraft by their tail number",
        key=("tailnum",),
        schema=_schema(
            {"tailnum": _TEXT},
            {
                **dict.fromkeys(("type", "manufacturer", "model", "engine"), _TEXT),
                **dict.fromkeys(("year", "engines", "seats", "speed"), _INT),
            },
            "tailnum,year,type,manufacturer,model,engines,seats,speed,engine",
        ),
    ),
    "weather": Reference(
        comment="Hourly weather at the airports of origin",
        key=("origin", "time_hour"),
        schema=_schema(
            {"origin": _TEXT, "time_hour": TimestampType(), **dict.fromkeys(("year", "month", "day", "hour"), _INT)},
            {
                "wind_dir": _INT,
                **dict.fromkeys(
                    ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"), _REAL
                ),
            },
            "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour",
        ),
    ),
}


def _duplicates(table: pa.Table, key: tuple[str, ...]) -> int:
    return int(table.num_rows - table.group_by(list(key)).aggregate([]).num_rows)


def _loaded_sum(spark: SparkSession, table: str) -> str | None:
    properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {table}").collect()}
    return properties.get(SOURCE_SUM)


def _replace(spark: SparkSession, table: str, rows: pa.Table, properties: dict[str, str]) -> None:
    """Make ``rows`` all there is in the table, which keeps its history; a new table gets a folder."""
    if not spark.catalog.tableExists(table) and (folder := folder_for(spark, table)):
        properties = {**properties, "location": folder}
    writer = spark.createDataFrame(rows).coalesce(1).writeTo(table).using("iceberg")
    for name, value in properties.items():
        writer = writer.tableProperty(name, value)
    writer.createOrReplace()


def ensure_reference(spark: SparkSession, landing: Landing) -> tuple[list[Refused], list[Loaded]]:
    """Make every reference table hold its landed file; returns what was refused, and what was loaded.

    A refused file leaves its table as it was. A key that occurs twice is a reason to refuse: joined to it, flights
    would be counted twice.
    """
    bad: list[Refused] = []
    loaded: list[Loaded] = []
    for name, file in zip(REFERENCES, landing.read([f"reference/{name}.csv" for name in REFERENCES]), strict=True):
        reference, table = REFERENCES[name], f"lakehouse.{written(f'bronze.{name}')}"
        if isinstance(file, Refused):
            bad.append(file)
            continue
        if spark.catalog.tableExists(table) and _loaded_sum(spark, table) == file.sha256:
            continue
        rows = parse(file, reference.schema)
        if not isinstance(rows, Refused) and (twice := _duplicates(rows, reference.key)):
            rows = Refused(key=file.key, reasons=(f"{twice} rows repeat the key {', '.join(reference.key)}",))
        if isinstance(rows, Refused):
            bad.append(rows)
            print(f"refused {rows} -> {landing.quarantine(file, rows)}", file=sys.stderr)
            continue
        _replace(spark, table, rows, {"comment": reference.comment, SOURCE_SUM: file.sha256})
        print(f"{table}: {rows.num_rows} rows")
        source = file.address
        same = {column: [column] for column in rows.column_names}
        loaded.append(Loaded(table=f"bronze.{name}", source=source, files=[source], columns=same))
    return bad, loaded
