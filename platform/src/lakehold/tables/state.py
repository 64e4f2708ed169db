"""The state of a table as maintenance sees it: plain numbers, and the pure functions that make them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lakehold.tables.policy import Snapshots


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition's live files; sizes in bytes. ``small`` ones are below the policy's limit."""

    key: str
    files: int = 0
    bytes: int = 0
    small_files: int = 0
    small_bytes: int = 0
    delete_files: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot; ``replaced_ms`` is when its child came, ``None`` for a head. Times are epoch milliseconds."""

    id: int
    at_ms: int
    replaced_ms: int | None
    on_branch: bool
    """Whether a branch leads to it."""


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A branch or tag, and how long it lives when it says so."""

    name: str
    kind: str
    snapshot_id: int
    max_age_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Expired:
    """Snapshots that were expired while their files stay for readers: the metadata file that still names them."""

    metadata: str
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """Unreferenced files below the table's location that are old enough to go."""

    files: int
    bytes: int
    listed_files: int
    listed_bytes: int


@dataclass(frozen=True, kw_only=True)
class TableState:
    """All that is measured of one table, from its metadata alone. Counts are of the current snapshot."""

    schema: str
    table: str
    uuid: str
    location: str
    metadata_location: str
    snapshot_id: int | None
    sequence: int
    """Sequence number of the last commit that made a snapshot."""
    rows: int = 0
    partitions: tuple[Partition, ...] = ()
    delete_files: int = 0
    delete_bytes: int = 0
    delete_rows: int = 0
    equality_deletes: int = 0
    """Delete files that delete by value; any engine must read the data to apply them."""
    manifests: int = 0
    manifest_bytes: int = 0
    dead_manifests: int = 0
    """Those of them that only tell of files taken away; readers still walk through them."""
    manifest_kinds: int = 1
    """Partition specs times contents (data, deletes): a manifest holds one of them only."""
    snapshots: tuple[Snapshot, ...] = ()
    refs: tuple[Ref, ...] = ()
    order: tuple[str, ...] = ()
    """Columns the table says it is sorted by."""
    overlap: float | None = None
    """Share of pairs of files, within a partition, that overlap in the first sort column; ``None`` without one."""
    rows_unanalyzed: int | None = None
    """Rows written or deleted since statistics were made; ``None`` when there are none."""
    expired: Expired | None = None
    orphans: Orphans | None = None
    """``None`` when the location was not listed."""

    @property
    def name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"

    @property
    def files(self) -> int:
        """Live data files."""
        return sum(part.files for part in self.partitions)

    @property
    def bytes(self) -> int:
        """Bytes of the live data files."""
        return sum(part.bytes for part in self.partitions)

    @property
    def small_files(self) -> int:
        """Live data files below the limit."""
        return sum(part.small_files for part in self.partitions)


@dataclass
class PartitionTally:
    """Counts the files of one partition."""

    key: str
    sizes: list[int] = field(default_factory=list)
    delete_files: int = 0
    ranges: list[tuple[Any, Any]] = field(default_factory=list)

    def counted(self, limit: int) -> Partition:
        """Return the partition; files below ``limit`` bytes are small."""
        small = [size for size in self.sizes if size < limit]
        return Partition(
            key=self.key,
            files=len(self.sizes),
            bytes=sum(self.sizes),
            small_files=len(small),
            small_bytes=sum(small),
            delete_files=self.delete_files,
        )


def overlap(partitions: Iterable[Sequence[tuple[Any, Any]]]) -> float | None:
    """Share of pairs of files whose [min, max] overlap in more than an end point, over all partitions.

    0 for files in perfect order, 1 when each meets each; ``None`` when no partition has two files.
    """
    pairs = meeting = 0
    for ranges in partitions:
        count = len(ranges)
        pairs += count * (count - 1) // 2
        meeting += count * (count - 1) // 2 - _disjoint(ranges)
    return meeting / pairs if pairs else None


def _disjoint(ranges: Sequence[tuple[Any, Any]]) -> int:
    """Pairs of which one ends before, or where, the other begins."""
    ordered = sorted(ranges)
    ends = sorted(end for _, end in ordered)
    # Whatever ends at or before the start is a pair; a file of one value would be its own partner, and twice another's.
    found = sum(bisect_right(ends, start) for start, _ in ordered)
    points: dict[Any, int] = {}
    for start, end in ordered:
        if start == end:
            points[start] = points.get(start, 0) + 1
    return found - sum(count + count * (count - 1) // 2 for count in points.values())


def expirable(
    snapshots: Collection[Snapshot], refs: Collection[Ref], policy: Snapshots, now_ms: int
) -> tuple[list[str], list[int]]:
    """Return which refs have outlived themselves, and the ids of snapshots that may go, the oldest first.

    The head of every remaining branch or tag stays, and the newest ``least`` and all that were replaced less than
    ``keep`` ago, but never more than the newest ``most`` without a ref of their own.
    """
    at = {snapshot.id: snapshot.at_ms for snapshot in snapshots}
    dead = [ref for ref in refs if _outlived(ref, at, now_ms)]
    heads = {ref.snapshot_id for ref in refs if ref not in dead}
    newest = sorted(snapshots, key=lambda snapshot: (snapshot.at_ms, snapshot.id), reverse=True)
    going = []
    for place, snapshot in enumerate(newest):
        if snapshot.id in heads or place < policy.least:
            continue
        since = snapshot.replaced_ms if snapshot.replaced_ms is not None else snapshot.at_ms
        old = now_ms - since > policy.keep / timedelta(milliseconds=1)
        # One that no branch leads to may be staged for a publication to come: only its age counts.
        if old or (snapshot.on_branch and place >= policy.most):
            going.append(snapshot.id)
    return sorted(ref.name for ref in dead), list(reversed(going))


def _outlived(ref: Ref, at: dict[int, int], now_ms: int) -> bool:
    if ref.name == "main" or ref.max_age_ms is None:
        return False
    return ref.snapshot_id not in at or now_ms - at[ref.snapshot_id] > ref.max_age_ms
