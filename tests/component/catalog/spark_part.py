"""Run by spark-submit: read the shared table of each catalog with Spark and append to it; answers go to a file."""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

answer, *catalogs = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
before = {}
for catalog in catalogs:
    before[catalog] = sorted(row.writer for row in spark.table(f"{catalog}.silver.shared").collect())
    spark.sql(f"INSERT INTO {catalog}.silver.shared VALUES ('spark', 3)")
Path(answer).write_text(json.dumps(before), encoding="utf-8")
spark.stop()
