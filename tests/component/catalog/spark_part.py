"""Run by spark-submit: read the shared table with Spark and append to it; the answer goes to the file it is given."""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
before = sorted(row.writer for row in spark.table("lakehouse.silver.shared").collect())
spark.sql("INSERT INTO lakehouse.silver.shared VALUES ('spark', 3)")
Path(sys.argv[1]).write_text(json.dumps({"before": before}), encoding="utf-8")
spark.stop()
