"""Run in the engine environment: make, write and read a table in a REST catalog (properties: JSON on stdin)."""

import json
import sys

import pyarrow
from pyiceberg.catalog import load_catalog

properties = json.load(sys.stdin)
catalog = load_catalog(**properties)
catalog.create_namespace_if_not_exists("silver")
fields = pyarrow.schema([("writer", pyarrow.string()), ("amount", pyarrow.int32())])
table = catalog.create_table("silver.shared", schema=fields)
table.append(pyarrow.Table.from_pylist([{"writer": "pyiceberg", "amount": 2}], schema=fields))
again = load_catalog(**properties).load_table("silver.shared")
answer = {"rows": again.scan().to_arrow().to_pylist(), "location": again.location()}
catalog.purge_table("silver.shared")
sys.stdout.write(json.dumps(answer) + "\n")
