"""Narrows a suite to what a run changed: the rows of data files that were added since the base snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lakehold.quality import results
from lakehold.quality.suite import TableRules

_MOST_FILES = 4000
"""About half of the longest statement that Trino takes. A run that writes more has changed most of the table anyway."""


def snapshot(opened: Any, table: TableRules) -> int | None:
    """Return the id of the snapshot a gate is about to judge; None for a view and for a table without one."""
    return next(iter(ancestry(opened, table)), None)


def ancestry(opened: Any, table: TableRules) -> list[int]:
    """Return the ids of that snapshot and of those before it that have not expired, newest first."""
    from pyiceberg.table.snapshots import ancestors_of

    loaded = _load(opened, f"{table.reads}.{table.table}")
    found = ancestors_of(loaded.current_snapshot(), loaded.metadata) if loaded else ()
    return [int(each.snapshot_id) for each in found]


def narrowed(opened: Any, suite: str, table: TableRules) -> TableRules:
    """Return ``table`` with its scope as a condition on the rows, for a suite whose scope is ``changed``.

    In a shadow the base is what readers see now; in a published table it is the snapshot this suite last passed, over
    all of the interval where the rules depend on it. The whole table is judged when there is no base, and for a view.
    """
    if table.scope != "changed":
        return table
    judged = _load(opened, f"{table.reads}.{table.table}")
    base = _base(opened, suite, table, judged)
    if judged is None or base is None:
        return table
    files = added_files(base, judged)
    if len(files) > _MOST_FILES:
        return table
    names = ", ".join(f"'{file.replace(chr(39), chr(39) * 2)}'" for file in sorted(files))
    condition = f'"$path" IN ({names})' if files else "false"
    return replace(table, rows=f"({table.rows}) AND {condition}" if table.rows else condition)


def added_files(base: tuple[Any, int | None], judged: Any) -> set[str]:
    """Return the paths of data files of ``judged`` that are not in the snapshot of the base table.

    Manifests that both have are not read, so the cost is that of the change.
    """
    table, number = base
    then = table.snapshot_by_id(number) if number is not None else None
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


def _base(opened: Any, suite: str, table: TableRules, judged: Any) -> tuple[Any, int | None] | None:
    if table.is_shadow:
        published = _load(opened, table.name)
        current = published.current_snapshot() if published else None
        return (published, current.snapshot_id if current else None) if published else None
    passed = results.passed_snapshot(opened, suite, table.name, table.interval)
    return (judged, passed) if judged and passed and judged.snapshot_by_id(passed) else None


def _load(opened: Any, name: str) -> Any:
    from pyiceberg.exceptions import NoSuchTableError

    try:
        return opened.load_table(name)
    except NoSuchTableError:
        return None
