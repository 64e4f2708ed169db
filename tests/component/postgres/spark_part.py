"""Run by spark-submit: what Spark sees in each catalog, or why it sees nothing; answers go to a file."""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

answer, *catalogs = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
found = {}
for catalog in catalogs:
    try:
        found[catalog] = [row.namespace for row in spark.sql(f"SHOW NAMESPACES IN {catalog}").collect()]
    except Exception as problem:  # noqa: BLE001 - a Java error, with all its causes
        found[catalog] = str(problem)
Path(answer).write_text(json.dumps(found), encoding="utf-8")
spark.stop()
