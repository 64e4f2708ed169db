"""Where a new table's files go: below its layer, also when it is made in the layer's shadow."""

from __future__ import annotations

from lakehold.tables.shadow import location
from pyspark.sql import SparkSession

_CATALOG = "spark.sql.catalog.lakehouse"


def folder_for(spark: SparkSession, table: str) -> str | None:
    """Return a folder for the table when it is made; None where the catalog chooses one, as a REST catalog does.

    A JDBC catalog in Spark would name it after the schema the table is made in, and a shadow's name would stay.
    """
    if spark.conf.get(f"{_CATALOG}.type") == "rest":
        return None
    return location(str(spark.conf.get(f"{_CATALOG}.warehouse")), table)


def location_clause(spark: SparkSession, table: str) -> str:
    """Return the clause of CREATE TABLE for it."""
    folder = folder_for(spark, table)
    return f"LOCATION '{folder}'" if folder else ""
