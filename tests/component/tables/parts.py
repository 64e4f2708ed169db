"""Run in the engine environment: ``parts.py NAME`` calls one function with the JSON on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

import pyarrow as pa
from lakehold.config import platform
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError

SCHEMA = pa.schema([("run", pa.string()), ("n", pa.int64())])


def catalog() -> Catalog:
    """The catalog, as any program of the platform opens it."""
    return load_catalog(**platform.load().catalog)


def rows_of(run: str, numbers: list[int]) -> pa.Table:
    """Rows of one run."""
    return pa.table({"run": [run] * len(numbers), "n": numbers}, schema=SCHEMA)


def write(wanted: dict[str, Any]) -> None:
    """Append to, or replace the rows of, tables; makes those that are missing."""
    lake = catalog()
    for name in wanted["tables"]:
        try:
            table = lake.load_table(name)
        except NoSuchTableError:
            table = lake.create_table(name, schema=SCHEMA)
        rows = rows_of(wanted["run"], wanted["numbers"])
        if wanted.get("replace"):
            table.overwrite(rows)
        else:
            table.append(rows)


def read(wanted: dict[str, Any]) -> dict[str, Any]:
    """Read tables now or by a tag: sorted rows, or the name of the error."""
    lake, found = catalog(), {}
    for name in wanted["tables"]:
        try:
            table = lake.load_table(name)
            tag = wanted.get("tag")
            scan = table.scan() if tag is None else table.scan().use_ref(tag)
            found[name] = sorted((list(row.values()) for row in scan.to_arrow().to_pylist()), key=repr)
        except (NoSuchTableError, ValueError) as error:
            found[name] = type(error).__name__
    return found


def files(_wanted: Any) -> list[str]:
    """All objects of the warehouse."""
    from pyarrow import fs

    known = platform.load().catalog
    store = fs.S3FileSystem(
        access_key=known["s3.access-key-id"],
        secret_key=known["s3.secret-access-key"],
        endpoint_override=known["s3.endpoint"],
        region=known["s3.region"],
    )
    place = known["warehouse"].removeprefix("s3://").rstrip("/")
    listed = store.get_file_info(fs.FileSelector(place, recursive=True, allow_not_found=True))
    return sorted(info.path for info in listed if info.type == fs.FileType.File)


def attempt(wanted: dict[str, Any]) -> str:
    """Try something dangerous to a table; how it was refused, or ``done``."""
    lake, name = catalog(), wanted["table"]
    deeds = {
        "drop": lambda: lake.drop_table(name),
        "purge": lambda: lake.purge_table(name),
        "rename": lambda: lake.rename_table(name, name + "_moved"),
        "expire": lambda: (
            lake.load_table(name)
            .maintenance.expire_snapshots()
            .by_ids([snapshot.snapshot_id for snapshot in lake.load_table(name).metadata.snapshots[:-1]])
            .commit()
        ),
        "schema": lambda: lake.drop_namespace(name),
    }
    try:
        deeds[wanted["deed"]]()
    except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
        return f"{type(error).__name__}: {error}"
    return "done"


if __name__ == "__main__":
    answer = globals()[sys.argv[1]](json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer) + "\n")
