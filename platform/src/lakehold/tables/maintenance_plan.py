"""Decides what a table needs: pure functions from its state, policy and past to actions, in the order they pay.

Each action says why it pays, which engine does it and what it is expected to cost. The order follows what builds on
what: a compaction leaves fewer manifests and new snapshots behind, an expiry lets go of the files it replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Literal

from lakehold.tables.policy import Policy
from lakehold.tables.state import TableState, expirable

Kind = Literal["compact", "sort", "deletes", "manifests", "prune", "expire", "sweep", "orphans", "analyze"]
Engine = Literal["trino", "spark", "pyiceberg"]

OF_DATA: tuple[Kind, ...] = ("sort", "compact", "deletes")
"""Actions that write data files anew; each does the work of those after it, so one a run is enough."""
REWRITES: tuple[Kind, ...] = (*OF_DATA, "manifests")
"""Actions that write what is there in another shape."""

START_SECONDS: Mapping[Engine, float] = {"trino": 0.5, "spark": 15.0, "pyiceberg": 0.2}
"""Before the first byte: Trino runs already, Spark is a JVM and a session (decision 0016)."""
BYTES_PER_SECOND: Mapping[Engine, float] = {"trino": 25e6, "spark": 20e6, "pyiceberg": 50e6}
"""Read and written again, on the 2 cores decision 0016 was measured on."""
_FILE_SECONDS = 0.004
"""To open a file: what small files cost."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to do. A ``dry`` one is only reported."""

    kind: Kind
    engine: Engine
    reason: str
    bytes: int = 0
    seconds: float = 0.0
    dry: bool = False


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the records say of a table."""

    first_seen: datetime | None = None
    last: datetime | None = None
    done: Mapping[str, int] = field(default_factory=dict)
    """Action → sequence number of the table after it was last done: on an unchanged table it would do nothing new."""


def plan(state: TableState, policy: Policy, past: Past, now: datetime) -> list[Action]:
    """Return what pays, in order. An empty list: the table is well."""
    if not policy.enabled or state.snapshot_id is None:
        return []
    rewrite = _sort(state, policy) or _compact(state, policy) or _deletes(state, policy)
    found = [
        rewrite,
        _manifests(state, policy),
        _prune(state, policy),
        _sweep(state, policy, now),
        _expire(state, policy, now),
        _orphans(state, policy, past, now),
        _analyze(state, policy),
    ]
    return [action for action in found if action and not _was_done(action, state, past)]


def _was_done(action: Action, state: TableState, past: Past) -> bool:
    """Whether such a rewrite was the last thing that happened to the table: it would find the same files again."""
    like = OF_DATA if action.kind in OF_DATA else (action.kind,)
    return action.kind in REWRITES and any(past.done.get(kind) == state.sequence for kind in like)


def small_limit(policy: Policy) -> int:
    """Bytes below which a data file is small."""
    return int(policy.compaction.target * policy.compaction.small)


def _compact(state: TableState, policy: Policy) -> Action | None:
    worth = [part for part in state.partitions if part.small_files >= policy.compaction.least]
    # What a rewrite leaves: as many files as the bytes need, and one that is not full.
    left = sum(ceil((part.small_bytes + 1) / policy.compaction.target) for part in worth)
    small = sum(part.small_files for part in worth)
    if not worth or left > small / 2:
        return None
    size = sum(part.small_bytes for part in worth)
    where = f" in {len(worth)} partitions" if len(state.partitions) > 1 else ""
    reason = f"{small:,} small files{where} become about {left:,}"
    if state.delete_files:
        reason += f", {state.delete_rows:,} deleted rows go"
    # Merged by Trino they would lose the order they are to have.
    sorted_by = _order(state, policy)
    engine: Engine = "spark" if sorted_by else "trino"
    reason += f", sorted by {', '.join(sorted_by)}" if sorted_by else ""
    return _priced("compact", engine, reason, size, small + state.delete_files)


def _sort(state: TableState, policy: Policy) -> Action | None:
    strategy, order = policy.compaction.strategy, _order(state, policy)
    if not order:
        return None
    enough = state.files >= 2 and state.bytes > policy.compaction.target
    if not enough or state.overlap is None or state.overlap <= _expected(state, strategy, len(order), policy):
        return None
    reason = f"{state.overlap:.0%} of pairs of files overlap in {order[0]}; {strategy} by {', '.join(order)}"
    return _priced("sort", "spark", reason, state.bytes, state.files)


def _order(state: TableState, policy: Policy) -> tuple[str, ...]:
    """Return the columns the rows are to be sorted by; none for a table that is only merged."""
    return () if policy.compaction.strategy == "binpack" else policy.compaction.order or state.order


def _expected(state: TableState, strategy: str, columns: int, policy: Policy) -> float:
    """Return the overlap from which on sorting pays: the share ``decay`` of what lies above a perfect order.

    Files of a perfect z-order over k columns cut each column into only n^(1/k) slabs, and meet all of their slab.
    """
    files = state.files / max(1, len(state.partitions))
    perfect = files ** (-1 / columns) if strategy == "zorder" and files > 1 else 0.0
    return float(perfect + policy.compaction.decay * (1 - perfect))


def _deletes(state: TableState, policy: Policy) -> Action | None:
    share = state.delete_rows / max(1, state.rows + state.delete_rows)
    if state.delete_files < policy.deletes.files and (share < policy.deletes.rows or not state.delete_files):
        return None
    touched = [part for part in state.partitions if part.delete_files] or list(state.partitions)
    reason = f"{state.delete_files:,} delete files hide {state.delete_rows:,} rows ({share:.1%})"
    data = _priced("deletes", "trino", reason, sum(part.bytes for part in touched), sum(p.files for p in touched))
    merged = _priced("deletes", "spark", f"{reason}; the data stay", state.delete_bytes, state.delete_files)
    # Merging delete files leaves the rows where they are: not when they are many, and not for deletes by value.
    mergeable = share < policy.deletes.rows and not state.equality_deletes
    return min(data, merged, key=lambda action: action.seconds) if mergeable else data


def _manifests(state: TableState, policy: Policy) -> Action | None:
    needed = max(state.manifest_kinds, ceil(state.manifest_bytes / policy.manifests.target))
    alive = state.manifests - state.dead_manifests
    if alive - needed < policy.manifests.least:
        return None
    reason = f"{alive:,} manifests where {needed:,} would do"
    return _priced("manifests", "trino", reason, state.manifest_bytes, alive)


def _prune(state: TableState, policy: Policy) -> Action | None:
    if state.dead_manifests < policy.manifests.dead:
        return None
    reason = f"{state.dead_manifests:,} manifests only tell of files taken away"
    return _priced("prune", "pyiceberg", reason, 0, 0)


def _expire(state: TableState, policy: Policy, now: datetime) -> Action | None:
    if state.expired:
        return None  # its files go first
    dead, going = expirable(state.snapshots, state.refs, policy.snapshots, _ms(now))
    # The last expiry may have left fewer than pay by themselves: ask for as many again.
    if len(going) < policy.snapshots.excess and not dead:
        return None
    also = f" and {len(dead)} tags or branches that have outlived themselves" if dead else ""
    reason = f"{len(going):,} of {len(state.snapshots):,} snapshots are past their time{also}"
    return _priced("expire", "pyiceberg", reason, 0, 0)


def _sweep(state: TableState, policy: Policy, now: datetime) -> Action | None:
    if not state.expired or _ms(now) - state.expired.at_ms < policy.snapshots.readers / timedelta(milliseconds=1):
        return None
    at = datetime.fromtimestamp(state.expired.at_ms / 1000, UTC)
    reason = f"files of snapshots expired at {at:%Y-%m-%d %H:%M} UTC: no reader has them any more"
    return _priced("sweep", "pyiceberg", reason, 0, 0)


def _orphans(state: TableState, policy: Policy, past: Past, now: datetime) -> Action | None:
    found = state.orphans
    if not found or not found.files or found.bytes < policy.orphans.bytes:
        return None
    known = now - past.first_seen if past.first_seen else timedelta(0)
    reason = f"{found.files:,} files nothing refers to"
    if known < policy.orphans.dry:
        begins = (past.first_seen or now) + policy.orphans.dry
        reason += f"; only reported until {begins:%Y-%m-%d}, the table is new to our records"
        return Action(kind="orphans", engine="pyiceberg", reason=reason, bytes=found.bytes, dry=True)
    return _priced("orphans", "pyiceberg", reason, found.bytes, found.files)


def _analyze(state: TableState, policy: Policy) -> Action | None:
    if state.rows < policy.statistics.rows:
        return None
    if state.rows_unanalyzed is None:
        reason = "there are no statistics"
    elif state.rows_unanalyzed > policy.statistics.changed * state.rows:
        reason = f"{state.rows_unanalyzed:,} of {state.rows:,} rows changed since the last ANALYZE"
    else:
        return None
    return _priced("analyze", "trino", reason, 0, state.files, scanned=state.bytes)


def _priced(kind: Kind, engine: Engine, reason: str, size: int, files: int, scanned: int = 0) -> Action:
    seconds = START_SECONDS[engine] + (size + scanned / 4) / BYTES_PER_SECOND[engine] + files * _FILE_SECONDS
    return Action(kind=kind, engine=engine, reason=reason, bytes=size, seconds=round(seconds, 1))


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What is left of a run's budget."""

    seconds: float
    bytes: int

    def allows(self, action: Action) -> bool:
        """Whether the action is expected to fit."""
        return action.dry or (action.seconds <= self.seconds and action.bytes <= self.bytes)

    def after(self, action: Action) -> Remaining:
        """Return what is left after the action, as it is priced."""
        return Remaining(seconds=self.seconds - action.seconds, bytes=self.bytes - action.bytes)


def by_worth(planned: Iterable[tuple[TableState, Sequence[Action]]]) -> Iterator[tuple[TableState, Sequence[Action]]]:
    """Order tables by what a second of work takes away: files, delete files and manifests."""
    return iter(sorted(planned, key=lambda pair: (-_worth(*pair), pair[0].name)))


def _worth(state: TableState, actions: Sequence[Action]) -> float:
    seconds = sum(action.seconds for action in actions if not action.dry)
    gain = state.small_files + state.delete_files + state.manifests
    return gain / seconds if seconds else 0.0


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
