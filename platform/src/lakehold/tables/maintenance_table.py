"""The maintenance of one table: its actions one after the other, each planned on what the last one left."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from lakehold.errors import ConflictError, LakeholdError, NotRunningError, RunFailedError
from lakehold.tables import guard, ledger
from lakehold.tables.maintenance_actions import Workshop
from lakehold.tables.maintenance_history import DONE, Record
from lakehold.tables.maintenance_plan import OF_DATA, REWRITES, Action, Past, Remaining
from lakehold.tables.maintenance_trino import Probe
from lakehold.tables.policy import PolicyFile
from lakehold.tables.state import Orphans, TableState

FAILURES: tuple[type[Exception], ...] = (LakeholdError, OSError, ValueError)
"""What may go wrong with one table and leaves the others alone."""
GIVEN_UP = "given up"
FAILED = "failed"
_FELT = (*REWRITES, "prune", "expire")
"""Actions after which a reader plans or scans faster."""
_ATTEMPTS = 2
"""Times an action is tried that another commit came before."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of one table: its state, its past, what it needs, and why nothing may be done now."""

    loaded: Any = field(repr=False)
    state: TableState
    past: Past
    actions: Sequence[Action]
    busy: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one action ended: ``done``, ``dry``, ``skipped``, ``given up`` or ``failed``, and what there is to tell."""

    table: str
    action: Action | None
    outcome: str
    told: str
    seconds: float = 0.0


class Surroundings(Protocol):
    """What of a run the work on a table needs."""

    id: str
    policies: PolicyFile
    ledger: ledger.Connection
    workshop: Workshop

    def survey(self, schema: str, table: str, *, orphans: Orphans | None = None) -> Survey:
        """Measure a table and plan for it."""

    def busy(self, schema: str) -> str:
        """Say which run is about to publish into the schema."""


class TableWork:
    """One table's actions. ``left`` is what remains of the budget, ``records`` what is to be written down."""

    def __init__(self, run: Surroundings, survey: Survey, left: Remaining) -> None:
        self._run = run
        self._survey = survey
        self._tried: dict[str, int] = {}
        self._over: set[str] = set()
        self._before: Probe | None = None
        self.left = left
        self.records: list[Record] = []

    def outcomes(self) -> Iterator[Outcome]:
        """Do what pays and fits, and yield how each action ended."""
        first, began = self._survey.state, datetime.now(UTC)
        while (action := self._next()) is not None:
            outcome = self._dry(action) or self._too_dear(action) or self._guarded(action)
            yield outcome
            if outcome.outcome == "skipped" and action.kind not in self._over:
                break  # somebody else is at work on the table
        if any(record.outcome == DONE for record in self.records):
            self.records.append(self._whole(first, began))
        # The later actions of a run commit too, and are no reason to do the earlier ones again.
        sequence = self._survey.state.sequence
        self.records = [replace(record, sequence_after=sequence) for record in self.records]

    def _next(self) -> Action | None:
        return next((action for action in self._survey.actions if action.kind not in self._over), None)

    def _dry(self, action: Action) -> Outcome | None:
        if not action.dry:
            return None
        self._over.add(action.kind)
        return self._outcome(action, "dry", f"{action.reason} ({action.bytes:,} bytes)")

    def _too_dear(self, action: Action) -> Outcome | None:
        if self.left.allows(action):
            return None
        self._over.add(action.kind)
        told = f"about {action.seconds:.0f} s and {action.bytes:,} bytes do not fit into what is left of the budget"
        return self._outcome(action, "skipped", told)

    def _guarded(self, action: Action) -> Outcome:
        state = self._survey.state
        with guard.holding(self._run.ledger, state.schema, state.table) as held:
            if not held:
                return self._outcome(action, "skipped", "a publication or another maintenance is at work on it")
            if busy := self._run.busy(state.schema):
                return self._outcome(action, "skipped", busy)
            return self._do(action)

    def _do(self, action: Action) -> Outcome:
        before, began, clock = self._survey.state, datetime.now(UTC), time.monotonic()
        removed, outcome, told = None, DONE, ""
        try:
            # Measured again now that nobody publishes: what was planned before may be the past.
            self._look(before.orphans)
            planned = next((one for one in self._survey.actions if one.kind == action.kind and not one.dry), None)
            if planned is None:
                self._over.add(action.kind)
                return self._outcome(action, "skipped", "somebody else has been at work on it: it no longer pays")
            action = planned
            if self._before is None and action.kind in _FELT:
                self._before = self._probe()
            policy = self._run.policies.of(before.schema, before.table)
            removed = self._run.workshop.do(action, self._survey.loaded, self._survey.state, policy, self.left.seconds)
        except ConflictError as error:
            outcome, told = GIVEN_UP, str(error)
        except FAILURES as error:
            outcome, told = FAILED, str(error)
        return self._ended(action, before, removed, outcome, told, began, time.monotonic() - clock)

    def _ended(
        self,
        action: Action,
        before: TableState,
        removed: Orphans | None,
        outcome: str,
        told: str,
        began: datetime,
        seconds: float,
    ) -> Outcome:
        self._tried[action.kind] = self._tried.get(action.kind, 0) + 1
        again = outcome == GIVEN_UP and self._tried[action.kind] < _ATTEMPTS
        if not again:
            self._over.update(OF_DATA if action.kind in OF_DATA else (action.kind,))
        self.left = Remaining(seconds=self.left.seconds - seconds, bytes=self.left.bytes - action.bytes)
        with suppress(*FAILURES):
            self._look(None if action.kind == "orphans" else before.orphans)
        if again:
            return self._outcome(action, "retried", told, seconds)
        after = self._survey.state
        record = _record(self._run.id, action.kind, action.engine, outcome, told or action.reason, began, before, after)
        if removed:
            record = replace(record, removed_files=removed.files, removed_bytes=removed.bytes)
        self.records.append(record)
        return self._outcome(action, outcome, told or _change(before, after, removed), seconds)

    def _look(self, orphans: Orphans | None) -> None:
        state = self._survey.state
        self._survey = self._run.survey(state.schema, state.table, orphans=orphans)

    def _whole(self, first: TableState, began: datetime) -> Record:
        after = self._survey.state
        record = _record(self._run.id, "all", "", DONE, "all of it", began, first, after)
        if self._before is None:
            return record
        probe = self._probe()
        if probe is None:
            return record
        return replace(
            record,
            planning_ms_before=self._before.planning_ms,
            planning_ms_after=probe.planning_ms,
            scan_ms_before=self._before.scan_ms,
            scan_ms_after=probe.scan_ms,
        )

    def _probe(self) -> Probe | None:
        """Measure as a reader; what pyiceberg can do is done without Trino, and then without these numbers."""
        try:
            return self._run.workshop.probe(self._survey.loaded, self._survey.state)
        except (NotRunningError, RunFailedError):
            return None

    def _outcome(self, action: Action, outcome: str, told: str, seconds: float = 0.0) -> Outcome:
        return Outcome(table=self._survey.state.name, action=action, outcome=outcome, told=told, seconds=seconds)


def _record(
    run_id: str,
    action: str,
    engine: str,
    outcome: str,
    reason: str,
    began: datetime,
    before: TableState,
    after: TableState,
) -> Record:
    return Record(
        run_id=run_id,
        table_name=before.name,
        table_uuid=before.uuid,
        action=action,
        engine=engine,
        outcome=outcome,
        reason=reason,
        started_at=began,
        ended_at=datetime.now(UTC),
        sequence_after=after.sequence,
        files_before=before.files,
        files_after=after.files,
        bytes_before=before.bytes,
        bytes_after=after.bytes,
        delete_files_before=before.delete_files,
        delete_files_after=after.delete_files,
        manifests_before=before.manifests,
        manifests_after=after.manifests,
        snapshots_before=len(before.snapshots),
        snapshots_after=len(after.snapshots),
    )


def _change(before: TableState, after: TableState, removed: Orphans | None) -> str:
    """Say what an action changed; empty when the numbers are the same."""
    if removed:
        return f"{removed.files:,} files deleted, {removed.bytes:,} bytes"
    pairs = (
        ("files", before.files, after.files),
        ("bytes", before.bytes, after.bytes),
        ("delete files", before.delete_files, after.delete_files),
        ("manifests", before.manifests, after.manifests),
        ("snapshots", len(before.snapshots), len(after.snapshots)),
    )
    return ", ".join(f"{name} {old:,} → {new:,}" for name, old, new in pairs if old != new)
