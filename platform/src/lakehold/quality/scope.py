"""Narrows a suite to what a run changed: the rows of data files that were added since the base snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from lakehold.quality import results
from lakehold.quality.suite import TableRules

_MOST_FILES = 4000
"""About half of the longest statement that Trino takes. A run that writes more has changed most of the table anyway."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """What the judged table is compared with; ``snapshot`` is None where that has never been written."""

    table: Any
    snapshot: int | None
    schema: Any


@dataclass(frozen=True, kw_only=True)
class State:
    """A table at one moment: its metadata file, and its snapshot if it has one."""

    location: str
    snapshot: int | None


def state(opened: Any, table: TableRules) -> State | None:
    """Return the state of the table a gate is about to judge; None for a view."""
    loaded = _load(opened, f"{table.reads}.{table.table}")
    if loaded is None:
        return None
    current = loaded.current_snapshot()
    return State(location=loaded.metadata_location, snapshot=int(current.snapshot_id) if current else None)


def ancestry(opened: Any, table: TableRules) -> list[int]:
    """Return the ids of its current snapshot and of those before it that have not expired, newest first."""
    from pyiceberg.table.snapshots import ancestors_of

    loaded = _load(opened, f"{table.reads}.{table.table}")
    found = ancestors_of(loaded.current_snapshot(), loaded.metadata) if loaded else ()
    return [int(each.snapshot_id) for each in found]


def narrowed(opened: Any, suite: str, table: TableRules) -> TableRules:
    """Return ``table`` with its scope as a condition on the rows, for a suite whose scope is ``changed``.

    In a shadow the base is what readers see now; in a published table it is the snapshot this suite last passed, over
    all of the interval where the rules depend on it. The whole table is judged when there is no base, for a view, and
    when columns are not what they were: rows that nobody has touched then read otherwise.
    """
    if table.scope != "changed":
        return table
    judged = _load(opened, f"{table.reads}.{table.table}")
    base = _base(opened, suite, table, judged)
    if judged is None or base is None or columns(base.schema) != columns(judged.schema()):
        return table
    files = added_files(base, judged)
    if len(files) > _MOST_FILES:
        return table
    names = ", ".join(f"'{file.replace(chr(39), chr(39) * 2)}'" for file in sorted(files))
    return replace(table, changed=f'"$path" IN ({names})' if files else "false")


def columns(schema: Any) -> dict[str, tuple[int, str, bool]]:
    """Return what decides how rows read: each column's id, type and whether it is required, nested ones by their path.

    A column that was dropped and made again has another id, and reads null in older rows.
    """
    found = {number: schema.find_field(number) for number in schema.field_ids}
    return {
        str(schema.find_column_name(number)): (
            number,
            # The fields of a struct, list or map are columns of their own here; its text would have their comments.
            str(field.field_type) if field.field_type.is_primitive else type(field.field_type).__name__,
            field.required,
        )
        for number, field in found.items()
    }


def added_files(base: Base, judged: Any) -> set[str]:
    """Return the paths of data files of ``judged`` that are not in the snapshot of the base table.

    Manifests that both have are not read, so the cost is that of the change.
    """
    table = base.table
    then = table.snapshot_by_id(base.snapshot) if base.snapshot is not None else None
    now = judged.current_snapshot()
    if now is None:
        return set()
    old = then.manifests(table.io) if then else []
    new = now.manifests(judged.io)
    shared = {manifest.manifest_path for manifest in old} & {manifest.manifest_path for manifest in new}
    return set(_files(judged.io, new, shared)) - set(_files(table.io, old, shared))


def _files(io: Any, manifests: Iterable[Any], without: set[str]) -> Iterable[str]:
    from pyiceberg.manifest import ManifestContent

    for manifest in manifests:
        if manifest.content == ManifestContent.DATA and manifest.manifest_path not in without:
            for entry in manifest.fetch_manifest_entry(io, discard_deleted=True):
                yield str(entry.data_file.file_path)


def _base(opened: Any, suite: str, table: TableRules, judged: Any) -> Base | None:
    if table.is_shadow:
        published = _load(opened, table.name)
        if published is None:
            return None
        current = published.current_snapshot()
        return Base(table=published, snapshot=current.snapshot_id if current else None, schema=published.schema())
    number = results.passed_snapshot(opened, suite, table.name, table.interval)
    passed = judged.snapshot_by_id(number) if judged and number else None
    if passed is None:
        return None
    # A snapshot says which columns it was written with. Without, they may have been any.
    schema = judged.schemas().get(passed.schema_id)
    return Base(table=judged, snapshot=number, schema=schema) if schema else None


def _load(opened: Any, name: str) -> Any:
    from pyiceberg.exceptions import NoSuchTableError

    try:
        return opened.load_table(name)
    except NoSuchTableError:
        return None
