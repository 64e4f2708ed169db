"""Run in the engine environment: read a table with pyiceberg and append to it (properties and name: JSON on stdin)."""

import json
import sys

import pyarrow
from pyiceberg.catalog import load_catalog

wanted = json.load(sys.stdin)
catalog = load_catalog(**wanted["properties"])
fields = pyarrow.schema([("writer", pyarrow.string()), ("amount", pyarrow.int32())])
table = catalog.create_table_if_not_exists(wanted["table"], schema=fields)
before = sorted(row["writer"] for row in table.scan().to_arrow().to_pylist())
table.append(pyarrow.Table.from_pylist([{"writer": "pyiceberg", "amount": 2}], schema=table.schema().as_arrow()))
namespaces = sorted(".".join(name) for name in catalog.list_namespaces())
sys.stdout.write(json.dumps({"before": before, "namespaces": namespaces}) + "\n")
