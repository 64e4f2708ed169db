"""Run by spark-submit: tries deeds on tables, and writes how each ended to the file it is given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

wanted, answers = json.loads(Path(sys.argv[1]).read_text()), {}
spark = SparkSession.builder.getOrCreate()
for name, statement in wanted.items():
    try:
        answers[name] = sorted([list(row) for row in spark.sql(statement).collect()], key=repr)
    except Exception as error:  # noqa: BLE001 - whatever Spark says is the answer
        answers[name] = f"{type(error).__name__}: {error}"
Path(sys.argv[2]).write_text(json.dumps(answers, default=str))
spark.stop()
