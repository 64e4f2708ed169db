"""Run in the engine environment: read the shared table with pyiceberg and append to it (properties: JSON on stdin)."""

import json
import sys

import pyarrow
from pyiceberg.catalog import load_catalog

properties = json.load(sys.stdin)
catalog = load_catalog(**properties)
table = catalog.load_table("silver.shared")
before = sorted(row["writer"] for row in table.scan().to_arrow().to_pylist())
table.append(pyarrow.Table.from_pylist([{"writer": "pyiceberg", "amount": 2}], schema=table.schema().as_arrow()))
namespaces = sorted(".".join(name) for name in catalog.list_namespaces())
sys.stdout.write(json.dumps({"before": before, "namespaces": namespaces}) + "\n")
