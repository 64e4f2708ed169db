"""Writes and reads `shop.orders` by pyiceberg: `append ROW` where the task is told to, `show` what is published.

`judge` prints what a gate does.
"""

import json
import sys

import pyarrow as pa
from lakehold.config import platform
from lakehold.tables.shadow import written
from pyiceberg.catalog import load_catalog


def main() -> None:
    """Do what the command line says."""
    catalog = load_catalog(**platform.load().catalog)
    if sys.argv[1] == "append":
        rows = pa.table({"row": [int(sys.argv[2])]})
        catalog.create_table_if_not_exists(written("shop.orders"), rows.schema).append(rows)
    elif sys.argv[1] == "judge":
        sys.stdout.write(f"judged shop.orders={catalog.load_table(written('shop.orders')).metadata_location}\n")
    elif sys.argv[1] == "show":
        name = ("shop", "orders")
        found = catalog.load_table(name).scan().to_arrow()["row"].to_pylist() if catalog.table_exists(name) else []
        sys.stdout.write(json.dumps(sorted(found)))
    else:
        catalog.create_namespace_if_not_exists("shop")


if __name__ == "__main__":
    main()
