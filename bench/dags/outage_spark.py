"""A Spark job of three statements, each of several events, that tells of a landed file as well."""

from lakehold.config import platform
from lakehold.lineage.tell import Loaded, tell
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.sql("""
    CREATE TABLE IF NOT EXISTS lakehouse.bronze.bench_outage (carrier string, n bigint) USING iceberg
    LOCATION 's3://lakehouse/bronze/bench_outage'
""")
spark.sql("""
    INSERT OVERWRITE lakehouse.bronze.bench_outage
    SELECT carrier, count(*) FROM lakehouse.silver.flights GROUP BY carrier
""")
spark.sql("""
    MERGE INTO lakehouse.bronze.bench_outage t USING (SELECT 'AA' AS carrier, 1L AS n) s ON t.carrier = s.carrier
    WHEN MATCHED THEN UPDATE SET *
""")
spark.stop()
landed = Loaded(
    table="bronze.bench_outage",
    source="s3://landing/bench_outage",
    files=["s3://landing/bench_outage/one.csv"],
    columns={"carrier": ["carrier"]},
)
if why := tell([landed], platform.load()):
    raise SystemExit(why)
