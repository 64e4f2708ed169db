"""Run in the engine environment: one of several writers on a REST catalog; prints a JSON line for each round.

``rest_writer.py NAME ROUNDS LOCK TABLE…``: each round clones gold beside the others, appends a row to every table, and
publishes. With ``LOCK`` ``unlocked`` publishers do not wait for each other, as those of two installations would not,
so that nothing but the catalog and the looking again stands between them.
"""

from __future__ import annotations

import json
import random
import sys
import time
from contextlib import nullcontext

import pyarrow as pa
from lakehold.config import platform
from lakehold.errors import ConflictError
from lakehold.tables import clone, guard, rest, rest_publish
from lakehold.tables.shadow import Audit
from pyiceberg.catalog import load_catalog

name, rounds, lock, tables = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
if lock == "unlocked":
    guard.claiming = lambda *_connection, **_wait: nullcontext(True)
known = platform.load()
lake = load_catalog(**known.catalog)
schema = pa.schema([("run", pa.string()), ("n", pa.int64())])
for number in range(rounds):
    audit = Audit(f"{name}/{number}", "gold")
    shadow = rest.clone(known, audit, ["gold"], wait=clone.BESIDE)
    row = pa.table({"run": [audit.run], "n": [number]}, schema=schema)
    for table in random.sample(tables, len(tables)):
        lake.load_table(f"{shadow.schemas['gold']}.{table}").append(row)
    outcome = {"run": audit.run, "tag": audit.tag, "published": True, "why": ""}
    began = time.monotonic()
    try:
        rest_publish.publish(known, audit)
    except ConflictError as error:
        outcome |= {"published": False, "why": error.why}
        rest.discard(known, audit.run)
    sys.stdout.write(json.dumps({**outcome, "seconds": time.monotonic() - began}) + "\n")
    sys.stdout.flush()
