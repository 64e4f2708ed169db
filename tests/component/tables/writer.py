"""Run in the engine environment: one of several writers of the same tables; prints a JSON line for each round.

``writer.py NAME ROUNDS TABLE…``: each round clones gold beside the others, appends a row to every table, and publishes.
"""

from __future__ import annotations

import json
import random
import sys

import pyarrow as pa
from lakehold.config import platform
from lakehold.errors import ConflictError
from lakehold.tables import clone, publish
from lakehold.tables.shadow import Audit
from pyiceberg.catalog import load_catalog

name, rounds, tables = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
known = platform.load()
lake = load_catalog(**known.catalog)
schema = pa.schema([("run", pa.string()), ("n", pa.int64())])
for number in range(rounds):
    audit = Audit(f"{name}/{number}", "gold")
    shadow = clone.clone(known, audit, ["gold"], wait=clone.BESIDE)
    row = pa.table({"run": [audit.run], "n": [number]}, schema=schema)
    # In any order: it is the publication that must be of one piece.
    for table in random.sample(tables, len(tables)):
        lake.load_table(f"{shadow.schemas['gold']}.{table}").append(row)
    try:
        publish.publish(known, audit)
        outcome = {"run": audit.run, "published": True}
    except ConflictError as error:
        outcome = {"run": audit.run, "published": False, "why": error.why}
        clone.discard(known, audit.run)
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()
