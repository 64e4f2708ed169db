"""Golden statements on the real engines: what their listeners tell the lineage service, and what we make of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from golden import Case
from lakehold.cli.sql import connect
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.lineage.columns import facets
from lakehold.lineage.graph import merge, readings
from lakehold.lineage.model import ColumnEdge, Reading, Table
from lakehold.pipelines import spark_submit
from trino.exceptions import TrinoQueryError

Event = Mapping[str, Any]
Tables = Mapping[str, Mapping[str, str]]
"""``schema.table`` → column → type, in the engine's words."""

_PROGRAM = Path(__file__).with_name("spark_statements.py")
_ENDS = {"COMPLETE", "FAIL", "ABORT"}


@dataclass(frozen=True)
class Told:
    """The events one case caused, in the order they came; ``error`` when the engine refused the case."""

    events: Sequence[Event] = ()
    error: str = ""


class Events:
    """Questions to the lineage service about what it received."""

    def __init__(self, site: Site) -> None:
        self.url = f"http://{site.host}:{site.ports['lineage']}"
        self.token = site.secrets["lineage.token"]
        self._client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False
        )

    def newest(self) -> int:
        """Return the newest event's id; 0 when there is none."""
        found = self._list(limit=1)
        return int(found[0]["event_id"]) if found else 0

    def between(self, after: int, until: int) -> list[Event]:
        """Return the events with after < event_id <= until."""
        found = self._list(limit=1000, before=until + 1)
        return [self._body(one["event_id"]) for one in reversed(found) if one["event_id"] > after]

    def of_job(self, job: str) -> list[Event]:
        """Return the events of a job, once one of them is its end."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self._list(limit=1000, job=job)
            if any(one["event_type"] in _ENDS for one in found):
                return [self._body(one["event_id"]) for one in reversed(found)]
            time.sleep(0.05)
        raise AssertionError(f"the lineage service was never told how {job} ended")

    def _list(self, **asked: int | str) -> list[dict[str, Any]]:
        answer = self._client.get("/api/v1/events", params=asked).raise_for_status()
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    def _body(self, event_id: int) -> Event:
        event: Event = self._client.get(f"/api/v1/events/{event_id}").raise_for_status().json()
        return event


def key(case: Case) -> str:
    """Return the name of a case among those of all engines."""
    return f"{case.engine}.{case.name}"


def on_spark(
    site: Site, cases: Sequence[Case], tables: Tables, folder: Path, until: float = math.inf
) -> Iterator[tuple[Case, Told]]:
    """Run cases in one Spark application, as the operator starts one.

    No case begins after ``until`` (seconds since 1970).
    """
    events, platform = Events(site), platform_of(site)
    wanted, answers, described = (folder / name for name in ("cases.json", "answers.json", "platform.json"))
    described.write_text(platform.dumps(), encoding="utf-8")
    keys = ("before", "made", "statement", "frame", "target")
    given = {
        "url": events.url,
        "token": events.token,
        "catalog": site.settings.catalog.name,
        "until": min(until, time.time() + 86400),
        "tables": {name: dict(columns) for name, columns in tables.items()},
        "cases": [{"name": key(case)} | {name: _plain(getattr(case, name)) for name in keys} for case in cases],
    }
    wanted.touch(mode=0o600)
    wanted.write_text(json.dumps(given), encoding="utf-8")
    # Without the archive of classes: it is written when a JVM ends, and there will be no second one.
    command = spark_submit.command(platform, [], {}, _PROGRAM)
    subprocess.run(
        [*command, str(wanted), str(answers)],
        env={
            **spark_submit.environment(platform),
            "HOME": os.environ.get("HOME", "/"),
            "LAKEHOLD_PLATFORM": str(described),
        },
        check=True,
    )
    found = json.loads(answers.read_text(encoding="utf-8"))
    for case in cases:
        if one := found.get(key(case)):
            yield case, Told(error=one["error"]) if one["error"] else Told(events.between(one["after"], one["until"]))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else list(value)


def on_trino(
    site: Site, cases: Sequence[Case], tables: Tables, _folder: Path | None = None, until: float = math.inf
) -> Iterator[tuple[Case, Told]]:
    """Run cases on Trino as admin, as :func:`on_spark` does on Spark."""
    events = Events(site)
    with closing(connect(site, "admin")) as connection:

        def execute(statement: str) -> str:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.fetchall()
            return str(cursor.query_id)

        made: set[str] = set()

        def ensure(case: Case) -> None:
            text = " ".join([case.target, *case.before, case.statement])
            for name in sorted(name for name in tables.keys() - made if name in text.replace('"', "")):
                listed = ", ".join(f'"{column}" {kind}' for column, kind in tables[name].items())
                execute(f"CREATE TABLE IF NOT EXISTS {name} ({listed})")
                made.add(name)

        def drop(name: str) -> None:
            made.discard(name)
            for kind in ("VIEW", "TABLE"):
                try:
                    execute(f"DROP {kind} IF EXISTS {name}")
                except TrinoQueryError as error:
                    if error.error_name not in {"GENERIC_USER_ERROR", "TABLE_NOT_FOUND", "UNSUPPORTED_TABLE_TYPE"}:
                        raise

        for case in cases:
            if time.time() > until:
                break
            ensure(case)
            try:
                for statement in case.before:
                    execute(statement)
                yield case, Told(events.of_job(execute(case.statement)))
            except TrinoQueryError as error:
                yield case, Told(error=f"{error.error_name}: {error.message}"[:500])
            for name in {case.target, *case.made} - tables.keys():
                drop(name)
            if case.before and case.target in tables:
                drop(case.target)


class Names:
    """The one name of each table, learned from the names that the events give it."""

    def __init__(self, catalog: str, told: Iterable[Told]) -> None:
        self._catalog = catalog
        self._places: dict[tuple[str, str], Table] = {}
        for event in (event for one in told for event in one.events):
            for dataset in (*(event.get("inputs") or ()), *(event.get("outputs") or ())):
                links = dataset.get("facets", {}).get("symlinks", {}).get("identifiers", ())
                for link in links:
                    if link["type"] == "TABLE":
                        name = ".".join(link["name"].split(".")[-2:])
                        self._places[dataset["namespace"], dataset["name"]] = Table(catalog, name)

    def __call__(self, namespace: str, name: str) -> Table:
        """Resolve as the graph does."""
        if namespace.startswith("trino://"):
            return Table(self._catalog, name.removeprefix(f"{self._catalog}."))
        return self._places.get((namespace, name)) or Table(namespace, name.strip("/"))


def own(case: Case, told: Told, names: Names) -> frozenset[ColumnEdge]:
    """Return what the engine itself says of the table the case writes, just as it says it."""
    target = names("trino://", case.target)
    found = (reading for event in told.events for reading in facets.read_all(event, names, as_told=True))
    return frozenset(edge for reading in found if reading.target == target for edge in reading.edges)


@dataclass(frozen=True)
class Believed:
    """What the graph holds of a table after the runs of one case, and on whose word."""

    by: Mapping[ColumnEdge, str]
    unknown: Mapping[str, str]

    @property
    def edges(self) -> frozenset[ColumnEdge]:
        """The edges, without whose word they are."""
        return frozenset(self.by)


def ours(case: Case, told: Told, names: Names, columns: Mapping[str, Sequence[str]]) -> Believed:
    """Return what the graph makes of the same events: each run for itself, and all of them together."""
    target = names("trino://", case.target)
    runs: dict[str, list[Event]] = {}
    for event in told.events:
        runs.setdefault(event["run"]["runId"], []).append(event)
    by: dict[ColumnEdge, str] = {}
    unknown: dict[str, str] = {}
    reader = readings.SqlReader(target.namespace)
    for events in runs.values():
        merged = merge.merge(events)
        statement = readings.statement_of(merged)
        read = reader.read(statement, columns) if statement and statement.dialect else None
        for written in readings.written(merged, names, read if isinstance(read, Reading) else None):
            if written.reading.target == target:
                by |= written.by
                unknown |= written.reading.unknown
    return Believed(by, unknown)
