"""Run by Spark: both jobs over one interval after another, in one application (``several_part.py FROM TO FROM TO …``).

Most of an application's time is its start; what the jobs write does not depend on how many of them share one.
"""

from __future__ import annotations

import sys

import bronze_flights
import silver_flights
from pyspark.sql import SparkSession

days = sys.argv[1:]
# Each job stops its session; here the next one goes on with it.
stop, SparkSession.stop = SparkSession.stop, lambda _: None
for first, end in zip(days[::2], days[1::2], strict=True):
    for job in (bronze_flights, silver_flights):
        sys.argv[1:] = ["--from", first, "--to", end]
        if code := job.main():
            sys.exit(code)
stop(SparkSession.builder.getOrCreate())
