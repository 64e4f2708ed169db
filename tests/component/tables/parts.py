"""Run in the engine environment: answers lines ``[function, argument]`` on standard input, in JSON, until it ends."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any
from unittest import mock

import pyarrow as pa
from lakehold.config import platform
from lakehold.tables import run
from pyarrow import fs
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import PyArrowFile
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.types import StringType

SCHEMA = pa.schema([("run", pa.string()), ("n", pa.int64())])


def catalog() -> Catalog:
    """The catalog, as any program of the platform opens it."""
    return load_catalog(**platform.load().catalog)


def rows_of(run: str, numbers: list[int]) -> pa.Table:
    """Rows of one run."""
    return pa.table({"run": [run] * len(numbers), "n": numbers}, schema=SCHEMA)


def write(wanted: dict[str, Any]) -> None:
    """Append to, or replace the rows of, tables, or a branch of theirs; makes those that are missing."""
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
            table.append(rows, branch=wanted.get("branch", "main"))


def read(wanted: dict[str, Any]) -> dict[str, Any]:
    """Read tables now or by a tag (or branch): sorted rows, or the name of the error."""
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


def make_schema(name: str) -> None:
    """Make a schema."""
    catalog().create_namespace(name)


def schemas(beginning: str) -> list[str]:
    """Names of the schemas that begin so."""
    return sorted(name for (name,) in catalog().list_namespaces() if name.startswith(beginning))


def make_view(wanted: dict[str, str]) -> None:
    """Make a view, or change its statement; it has one column ``n``."""
    from lakehold.tables.rest_client import RestClient

    schema, name = wanted["view"].split(".")
    said = {"type": "sql", "dialect": "trino", "sql": wanted["sql"]}
    column = {"id": 1, "name": "n", "type": "long", "required": False}
    version = {"version-id": 1, "schema-id": 0, "timestamp-ms": 1, "summary": {}, "representations": [said]}
    metadata = {
        "current-version-id": 1,
        "versions": [{**version, "default-namespace": [schema]}],
        "schemas": [{"type": "struct", "schema-id": 0, "fields": [column]}],
        "properties": {},
    }
    RestClient(platform.load().catalog).put_view(schema, name, metadata)


def views(schema: str) -> dict[str, str]:
    """What the views of a schema say."""
    from lakehold.tables.rest_client import RestClient

    client, said = RestClient(platform.load().catalog), {}
    for name in client.views(schema):
        found = client.load_view(schema, name)
        assert found
        (version,) = [v for v in found.metadata["versions"] if v["version-id"] == found.metadata["current-version-id"]]
        said[name] = version["representations"][0]["sql"]
    return said


def forget(names: list[str]) -> None:
    """Drop tables."""
    lake = catalog()
    for name in names:
        lake.drop_table(name)


def answers(names: list[str]) -> dict[str, Any]:
    """All a reader can ask of tables: columns, rows in order of their values, partitioning."""
    lake, found = catalog(), {}
    for name in names:
        table = lake.load_table(name)
        rows = sorted(json.dumps(row, default=str, sort_keys=True) for row in table.scan().to_arrow().to_pylist())
        found[name] = {"columns": str(table.schema()), "partitioning": str(table.spec()), "rows": rows}
    return found


def evolve(name: str) -> None:
    """Add, rename, reorder and drop columns, widen nothing, and partition anew; then write a row of the new shape."""
    table = catalog().load_table(name)
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.add_column("added", StringType())
        update.rename_column("n", "number")
        update.delete_column("run")
    with table.update_spec() as update:
        update.add_identity("number")
    with table.transaction() as transaction:
        transaction.set_properties({"comment": "evolved"})
    table.append(pa.table({"number": [7], "added": ["x"]}, schema=table.schema().as_arrow()))


def refs(name: str) -> dict[str, Any]:
    """Branches and tags of a table, with what is kept how long, and properties."""
    table = catalog().load_table(name)
    found = {ref: [value.snapshot_id, value.max_ref_age_ms] for ref, value in table.metadata.refs.items()}
    return {"refs": found, "properties": dict(table.properties), "snapshots": len(table.metadata.snapshots)}


def set_ref(wanted: dict[str, str]) -> None:
    """Make a branch or a tag of a table at its current snapshot, or remove one."""
    table = catalog().load_table(wanted["table"])
    manage, name, current = table.manage_snapshots(), wanted["name"], table.metadata.current_snapshot_id
    deeds = {
        "branch": lambda: manage.create_branch(current, name),
        "tag": lambda: manage.create_tag(current, name),
        "untag": lambda: manage.remove_tag(name),
    }
    deeds[wanted["deed"]]().commit()


def set_properties(wanted: dict[str, Any]) -> None:
    """Set properties of a table."""
    with catalog().load_table(wanted["table"]).transaction() as transaction:
        transaction.set_properties(wanted["properties"])


def erase(location: str) -> None:
    """Delete a file of the store, by hand."""
    store().delete_file(location.removeprefix("s3://"))


def erase_folder(location: str) -> None:
    """Delete a folder of the store with all that is in it."""
    store().delete_dir(location.removeprefix("s3://"))


def measure(wanted: dict[str, str]) -> None:
    """Say of the current snapshot that there is a file of statistics."""
    table = catalog().load_table(wanted["table"])
    current = table.metadata.current_snapshot_id
    sizes = {"file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}
    file = StatisticsFile(**{"snapshot-id": current, "statistics-path": wanted["path"], **sizes})
    with table.update_statistics() as update:
        update.set_statistics(file)


def measured(name: str) -> list[str]:
    """Files of statistics of a table."""
    return [file.statistics_path for file in catalog().load_table(name).metadata.statistics]


def as_of(wanted: dict[str, Any]) -> list[Any]:
    """Rows of a table at a snapshot."""
    table = catalog().load_table(wanted["table"])
    found = table.scan(snapshot_id=wanted["snapshot"]).to_arrow().to_pylist()
    return sorted((list(row.values()) for row in found), key=repr)


def store() -> fs.S3FileSystem:
    """The object store."""
    known = platform.load().catalog
    return fs.S3FileSystem(
        access_key=known["s3.access-key-id"],
        secret_key=known["s3.secret-access-key"],
        endpoint_override=known["s3.endpoint"],
        region=known["s3.region"],
    )


def files(_wanted: Any) -> list[str]:
    """All objects of the warehouse."""
    place = platform.load().catalog["warehouse"].removeprefix("s3://").rstrip("/")
    listed = store().get_file_info(fs.FileSelector(place, recursive=True, allow_not_found=True))
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


def verb(arguments: list[str]) -> tuple[int, str, str]:
    """Run a verb as a program would: exit code, output and error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run.main(arguments)
    return code, out.getvalue(), err.getvalue()


def verb_that_asks_for_no_name(arguments: list[str]) -> tuple[int, str, str]:
    """The same, but fail when it asks whether a file is there: an object store lists the folder to answer that."""
    with mock.patch.object(PyArrowFile, "exists", side_effect=AssertionError("asked whether a file is there")):
        return verb(arguments)


if __name__ == "__main__":
    for line in sys.stdin:
        name, wanted = json.loads(line)
        sys.stdout.write(json.dumps(globals()[name](wanted)) + "\n")
        sys.stdout.flush()
