"""Golden statements on the real engines: what their listeners tell the lineage service, and what we make of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
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


def on_spark(site: Site, cases: Sequence[Case], tables: Tables, folder: Path) -> dict[str, Told]:
    """Run cases in one Spark application, as the operator starts one."""
    events, platform = Events(site), platform_of(site)
    wanted, answers, described = (folder / name for name in ("cases.json", "answers.json", "platform.json"))
    described.write_text(platform.dumps(), encoding="utf-8")
    keys = ("name", "before", "made", "statement", "frame", "target")
    given = {
        "url": events.url,
        "token": events.token,
        "catalog": site.settings.catalog.name,
        "tables": {name: dict(columns) for name, columns in tables.items()},
        "cases": [{key: _plain(getattr(case, key)) for key in keys} for case in cases],
    }
    wanted.touch(mode=0o600)
    wanted.write_text(json.dumps(given), encoding="utf-8")
    archive = spark_submit.archive(platform)
    command = spark_submit.command(platform, archive.flags("golden"), {}, _PROGRAM)
    subprocess.run(
        [*command, str(wanted), str(answers)],
        env={
            **spark_submit.environment(platform),
            "HOME": os.environ.get("HOME", "/"),
            "LAKEHOLD_PLATFORM": str(described),
        },
        check=True,
    )
    archive.keep("golden")
    found = json.loads(answers.read_text(encoding="utf-8"))
    return {
        name: Told(error=one["error"]) if one["error"] else Told(events.between(one["after"], one["until"]))
        for name, one in found.items()
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else list(value)


def on_trino(site: Site, cases: Sequence[Case], tables: Tables) -> dict[str, Told]:
    """Run cases on Trino as admin, one after the other."""
    events = Events(site)
    with closing(connect(site, "admin")) as connection:

        def execute(statement: str) -> str:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.fetchall()
            return str(cursor.query_id)

        def create(names: Iterable[str]) -> None:
            for name in names:
                drop(name)
                listed = ", ".join(f'"{column}" {kind}' for column, kind in tables[name].items())
                execute(f"CREATE TABLE {name} ({listed})")

        def drop(name: str) -> None:
            for kind in ("VIEW", "TABLE"):
                try:
                    execute(f"DROP {kind} IF EXISTS {name}")
                except TrinoQueryError as error:
                    if error.error_name not in {"GENERIC_USER_ERROR", "TABLE_NOT_FOUND", "UNSUPPORTED_TABLE_TYPE"}:
                        raise

        create(tables)
        told: dict[str, Told] = {}
        for case in cases:
            try:
                for statement in case.before:
                    execute(statement)
                told[case.name] = Told(events.of_job(execute(case.statement)))
            except TrinoQueryError as error:
                told[case.name] = Told(error=f"{error.error_name}: {error.message}"[:500])
            for name in {case.target, *case.made} - tables.keys():
                drop(name)
            if case.before and case.target in tables:
                create([case.target])
        return told


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


def own(case: Case, told: Told, names: Names) -> Reading | None:
    """Return what the engine itself says of the table the case writes."""
    target = names("trino://", case.target)
    found = facets.merge(reading for event in told.events for reading in facets.read_all(event, names))
    return next((reading for reading in found if reading.target == target), None)


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
