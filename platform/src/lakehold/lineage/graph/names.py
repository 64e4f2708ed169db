"""One name per table, whatever its emitters call it: places, symlinks, Trino's and Spark's names, shadows, branches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from lakehold.lineage.event import Name, storable, unshadowed
from lakehold.lineage.model import Table

Kind = Literal["table", "file", "other"]

# What Spark adds to a table's name: bronze.flights.branch_audit, bronze.flights.snapshots.
_METADATA = (
    r"(?:all_)?(?:data_|delete_)?(?:files|entries|manifests)|history|snapshots|refs|partitions|metadata_log_entries"
    r"|position_deletes|changes"
)
_METADATA_SUFFIX = re.compile(rf"\.(?:{_METADATA})$")
_SPARK_SUFFIX = re.compile(rf"\.(?:(?:branch|tag)_\w+|snapshot_id_\d+|at_timestamp_\d+|{_METADATA})$")
_TRINO_SUFFIX = re.compile(r"\$\w+$")
_S3 = re.compile(r"s3[an]?://([^/]+)(/.*)?")
_GLOB = re.compile(r"[*?\[{]")


def canonical(namespace: str, name: str, catalog: str) -> Table:
    """Return the name of a dataset as far as its own name tells; a shadow is its target.

    ``trino://host:port`` with ``<catalog>.schema.table``, and ``<catalog>`` with ``schema.table``, are tables of a
    catalog. ``s3a://bucket`` is ``s3://bucket``; the name of a file is its path, of a glob the folder it looks in.
    """
    name = unshadowed(name)
    if match := _S3.fullmatch(namespace):
        path = "/".join(part for part in ((match[2] or "").strip("/"), name.strip("/")) if part)
        return Table(f"s3://{match[1]}", _without_glob(path))
    if namespace.startswith("trino://") and name.count(".") >= 2:
        named, _, rest = name.partition(".")
        return Table(named, _TRINO_SUFFIX.sub("", rest))
    if namespace == catalog:
        return Table(catalog, table_name(name, catalog))
    return Table(namespace, name)


def table_name(name: str, catalog: str) -> str:
    """Return ``schema.table`` of a name Spark or Iceberg gives, which may have catalog, branch or metadata table."""
    name = unshadowed(name)
    if name.count(".") >= 2:
        name = name.removeprefix(f"{catalog}.")
    return _SPARK_SUFFIX.sub("", name) if name.count(".") >= 2 else name


def by_symlink(dataset: Mapping[str, Any], catalog: str) -> Table | None:
    """Return the table of the catalog that a dataset's facets say it is."""
    name = _symlink(dataset, catalog)
    return None if name is None else Table(catalog, table_name(name, catalog))


def is_metadata(dataset: Mapping[str, Any], catalog: str) -> bool:
    """Say whether a dataset is a table's metadata table: it counts as the table, but its columns are others."""
    namespace, own = raw_name(dataset)
    named = namespace == catalog or namespace.startswith("trino://")
    return any(
        _ends_in_metadata(name, catalog) for name in (_symlink(dataset, catalog), own if named else None) if name
    )


def _ends_in_metadata(name: str, catalog: str) -> bool:
    name = unshadowed(name)
    if name.count(".") >= 2:
        name = name.removeprefix(f"{catalog}.")
    return bool(_TRINO_SUFFIX.search(name)) or (name.count(".") >= 2 and bool(_METADATA_SUFFIX.search(name)))


def _symlink(dataset: Mapping[str, Any], catalog: str) -> str | None:
    facets = dataset.get("facets")
    if not isinstance(facets, dict):
        return None
    told = _object(facets, "catalog").get("name")
    if told is not None and told != catalog:
        return None
    identifiers = _object(facets, "symlinks").get("identifiers")
    for identifier in identifiers if isinstance(identifiers, list) else []:
        if isinstance(identifier, dict) and identifier.get("type") == "TABLE":
            name = identifier.get("name")
            known = told is not None or _is_catalog(identifier.get("namespace"), catalog)
            if known and isinstance(name, str) and "." in name:
                return storable(name)
    return None


def kind_of(table: Table, catalog: str) -> Kind:
    """Return what a name says it is; that a table is a view only the catalog or a statement knows."""
    if table.namespace == catalog:
        return "table"
    return "file" if table.namespace.startswith("s3://") else "other"


def place_of(namespace: str, name: str) -> str:
    """Return what a dataset says of where it is, ``s3://bucket/path``, as a table's location is written."""
    match = _S3.fullmatch(namespace)
    if match is None:
        return f"{namespace.rstrip('/')}/{unshadowed(name)}"
    path = "/".join(part for part in ((match[2] or "").strip("/"), unshadowed(name).strip("/")) if part)
    return f"s3://{match[1]}/{path}"


class Resolver:
    """What each raw dataset is called, given the tables that are at known places."""

    def __init__(self, catalog: str, places: Mapping[str, Table]) -> None:
        self.catalog = catalog
        self._places = places

    def __call__(self, namespace: str, name: str) -> Table:
        """Return the one name of a dataset of an event."""
        return self._places.get(place_of(namespace, name)) or canonical(namespace, name, self.catalog)


def datasets_of(event: Mapping[str, Any]) -> Iterator[tuple[str, Name, Mapping[str, Any]]]:
    """Yield side (``inputs`` or ``outputs``), raw name and body of each dataset of an event that was accepted."""
    for side in ("inputs", "outputs"):
        for dataset in event.get(side) or []:
            yield side, raw_name(dataset), dataset
    if event.get("run") is None and event.get("job") is None:
        yield "outputs", raw_name(event["dataset"]), event["dataset"]


def raw_name(dataset: Mapping[str, Any]) -> Name:
    """Return a dataset's name as the table ``dataset`` has it."""
    return storable(dataset["namespace"]), unshadowed(storable(dataset["name"]))


def _is_catalog(namespace: Any, catalog: str) -> bool:
    """Say whether a symlink's namespace is how Spark writes an Iceberg catalog's (``hive://<warehouse bucket>``)."""
    return isinstance(namespace, str) and namespace.rstrip("/").rpartition("/")[2] == catalog


def _without_glob(path: str) -> str:
    parts = path.split("/")
    for index, part in enumerate(parts):
        if _GLOB.search(part):
            return "/".join(parts[:index])
    return path


def _object(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}
