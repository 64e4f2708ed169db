"""Runs in the environment `engine`: print the rows of a table as JSON."""

import json
import sys

from lakehold.config import platform
from pyiceberg.catalog import load_catalog

table = load_catalog(**platform.load().catalog).load_table(sys.argv[1])
summaries = [snapshot.summary.additional_properties for snapshot in table.metadata.snapshots]
print(json.dumps({"rows": table.scan().to_arrow().to_pylist(), "summaries": summaries}, default=str))  # noqa: T201 - its output
