"""One run of maintenance: measures tables, plans, does what pays within the budget, and records it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lakehold.config.platform import Platform
from lakehold.errors import DataError
from lakehold.tables import ledger, shadow
from lakehold.tables.maintenance_actions import Workshop, load
from lakehold.tables.maintenance_history import TABLE, History, seen
from lakehold.tables.maintenance_plan import Remaining, by_worth, plan
from lakehold.tables.maintenance_table import FAILURES, Outcome, Survey, TableWork
from lakehold.tables.measure import measure
from lakehold.tables.policy import PolicyFile
from lakehold.tables.references import Name, all_tables, counted
from lakehold.tables.state import Orphans

_PROGRESS_SECONDS = 10


class Run:
    """Maintenance of one catalog. ``seconds`` is the time budget; the policy file's without one."""

    def __init__(self, known: Platform, policies: PolicyFile, *, seconds: int | None = None) -> None:
        from pyiceberg.catalog import load_catalog

        self._platform = known
        self._told = time.monotonic()
        self.id = uuid.uuid4().hex
        self.policies = policies
        self.catalog = load_catalog(**known.catalog)
        self.ledger = ledger.connect(known)
        self.history = History(self.catalog)
        self.workshop = Workshop(known, self.catalog, self._everything, self._progress)
        self.unreadable: dict[str, str] = {}
        self.budget = Remaining(seconds=seconds or policies.budget.seconds, bytes=policies.budget.bytes)

    def tables(self, wanted: Sequence[str]) -> list[tuple[str, str]]:
        """Return (schema, table) of the wanted ones, all without any; :class:`DataError` for one there is not."""
        known = [name for name in self._names() if shadow.target_of(name[0]) == name[0]]
        if not wanted:
            return known
        schemas = {".".join(namespace) for namespace in self.catalog.list_namespaces()}
        found: list[tuple[str, str]] = []
        for each in wanted:
            matching = [name for name in known if each in (name[0], ".".join(name))]
            if not matching and each not in schemas:
                raise DataError(
                    f"there is no table or schema {each}.",
                    why="a table is named schema.table; shadows of runs are left alone",
                    remedy="lakehold tables status",
                )
            found += [name for name in matching if name not in found]
        return found

    def surveys(self, tables: Sequence[tuple[str, str]]) -> list[Survey]:
        """Measure tables and plan for them; one that cannot be read is told of in :attr:`unreadable`."""
        found = []
        # Good enough to report by: whoever deletes reads them again.
        everything = [loaded for name in self._everywhere() if (loaded := self._load(name)) is not None]
        for schema, table in tables:
            try:
                found.append(self.survey(schema, table, beside=everything))
            except FAILURES as error:
                self.unreadable[f"{schema}.{table}"] = str(error)
        return found

    def survey(
        self, schema: str, table: str, *, orphans: Orphans | None = None, beside: Sequence[Any] | None = None
    ) -> Survey:
        """Measure a table and plan for it; its location is listed unless ``orphans`` are known.

        ``beside`` are all tables of the catalog, when they were read already.
        """
        loaded = load(self.catalog, (schema, table))
        policy = self.policies.of(schema, table)
        state = measure(loaded, policy)
        if orphans is None and state.snapshot_id is not None and policy.enabled:
            orphans = counted(*self.workshop.unreferenced(loaded, policy, beside))
        state = replace(state, orphans=orphans)
        past = self.history.past(state.uuid)
        actions = plan(state, policy, past, datetime.now(UTC))
        return Survey(loaded=loaded, state=state, past=past, actions=actions, busy=self.busy(schema))

    def ordered(self, surveys: Iterable[Survey]) -> list[Survey]:
        """Order tables by worth; the records' own table comes last, because every other adds to it."""
        by_name = {survey.state.name: survey for survey in surveys}
        pairs = by_worth([(survey.state, survey.actions) for survey in by_name.values()])
        return sorted(
            (by_name[state.name] for state, _ in pairs), key=lambda survey: survey.state.name == ".".join(TABLE)
        )

    def maintain(self, tables: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Do what pays, table by table, and yield how each action ended. One that fails does not stop the others."""
        began = time.monotonic()
        surveys = self.ordered(self.surveys(tables))
        for name, why in self.unreadable.items():
            yield Outcome(table=name, action=None, outcome="failed", told=f"it cannot be measured: {why}")
        self.history.add([seen(self.id, survey.state) for survey in surveys if survey.past.first_seen is None])
        for survey in surveys:
            left = replace(self.budget, seconds=self.budget.seconds - (time.monotonic() - began))
            work = TableWork(self, survey, left)
            yield from work.outcomes()
            self.budget = replace(self.budget, bytes=work.left.bytes)
            self.history.add(work.records)

    def busy(self, schema: str) -> str:
        """Say which run is about to publish into the schema; empty when none is."""
        for live in ledger.live(self.ledger, self._platform.catalog["name"]):
            if schema in live.schemas:
                return f'run "{live.run}" (group {live.group}) has a shadow of {schema}'
        return ""

    def _names(self) -> list[tuple[str, str]]:
        return sorted(
            (".".join(name[:-1]), name[-1])
            for namespace in self.catalog.list_namespaces()
            for name in self.catalog.list_tables(namespace)
        )

    def _everything(self) -> list[Any]:
        """Load every table of the catalog, shadows too, as it is now."""
        return all_tables(self._everywhere, self._load)

    def _everywhere(self) -> list[Name]:
        """Name the tables of all namespaces, of those within others too: their folders may lie below a table's."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        found: list[Name] = []
        waiting = list(self.catalog.list_namespaces())
        while waiting:
            namespace = waiting.pop()
            with suppress(NoSuchNamespaceError):  # dropped meanwhile: it has no tables
                found += self.catalog.list_tables(namespace)
                # A server that knows one level only may name all of them again.
                waiting += [inner for inner in self.catalog.list_namespaces(namespace) if len(inner) > len(namespace)]
        return found

    def _load(self, name: Name) -> Any | None:
        from pyiceberg.exceptions import NoSuchTableError

        with suppress(NoSuchTableError):
            return self.catalog.load_table(name)
        return None

    def _progress(self, stats: Mapping[str, Any]) -> None:
        if time.monotonic() - self._told >= _PROGRESS_SECONDS and stats.get("totalSplits"):
            self._told = time.monotonic()
            done = 100 * stats["completedSplits"] // stats["totalSplits"]
            print(f"    … {done} % of Trino's work", flush=True)  # noqa: T201 - progress of a program
