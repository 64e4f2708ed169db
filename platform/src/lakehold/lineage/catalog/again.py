"""Tell again what was lost: for snapshots whose run nobody reported, from what still knows of it.

A Trino query is asked of Trino as long as it remembers it; then everything is known again. A task or program that the
snapshot itself names is known by name, with its table; what Spark read in it is not. A view's text is in the catalog.
Either way the answer is an event as any other, so the rest of lineage follows from it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold import __version__
from lakehold.lineage import rows
from lakehold.lineage.catalog.history import History, SilentError
from lakehold.lineage.catalog.maker import Maker, maker_of
from lakehold.lineage.event import parse

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

PRODUCER = f"https://lakehold.invalid/{__version__}/catalog"
_VIEW_RUNS = uuid.UUID("6f1f7f0e-5c0b-4f0a-9a55-0d1f8a1f6f5e")
"""The namespace of run ids made of a view's name and version."""
_SPEC = "https://openlineage.io/spec"
_AT_ONCE = 50
_SILENCE = 30.0
"""Seconds to leave Trino alone when it does not answer."""
PATIENCE = 120
"""Seconds after a commit in which its own engine may still report it: Trino's listener tries for a minute."""

_QUERIES = """
SELECT node_id, snapshot_id, summary FROM snapshot
WHERE matched_by IS NULL AND gone_at IS NULL AND summary ? 'trino_query_id' AND asked < 1
    AND committed_at < clock_timestamp() - make_interval(secs => %(patience)s)
ORDER BY committed_at DESC LIMIT %(limit)s
"""
_ASKED = """
UPDATE snapshot SET asked = asked + 1, asked_at = clock_timestamp() WHERE (node_id, snapshot_id) = (%s, %s)
"""
# A program that a person started has nobody else who reports it.
_TASKS = """
SELECT s.node_id, s.snapshot_id, s.committed_at, s.summary, n.namespace, n.name, r.run_id IS NULL
FROM snapshot s JOIN node n USING (node_id) LEFT JOIN run r ON r.run_id = s.maker
WHERE s.gone_at IS NULL AND s.maker IS NOT NULL AND s.summary ? 'lakehold.task' AND s.asked < 1 AND (
    (s.summary ? 'lakehold.program' AND r.run_id IS NOT NULL) OR (r.run_id IS NULL
        AND s.committed_at < clock_timestamp() - make_interval(secs => %(patience)s)))
ORDER BY s.committed_at LIMIT %(limit)s
"""
_VIEWS = """
SELECT s.node_id, s.snapshot_id, v.made_at, v.sql, v.dialect, v.schema, n.namespace, n.name
FROM snapshot s JOIN node n USING (node_id)
    JOIN view_version v ON (v.node_id, v.version_id, v.made_at) = (s.node_id, s.snapshot_id, s.committed_at)
WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.operation = 'view' AND s.asked < 1
    AND s.committed_at < clock_timestamp() - make_interval(secs => %(patience)s)
ORDER BY s.committed_at LIMIT %(limit)s
"""
_REDERIVED = "INSERT INTO rederived (run_id, source) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class Again:
    """Tells lost runs again, into the journal of ``connection``."""

    def __init__(self, history: History | None, patience: float = PATIENCE) -> None:
        self._history = history
        self._patience = patience
        self._silent = ""
        self._ask_after = 0.0

    async def step(self, connection: Connection) -> int:
        """Tell some again; return how many events that made."""
        told = await self._tasks(connection) + await self._views(connection)
        return told + await self._queries(connection)

    async def _queries(self, connection: Connection) -> int:
        if self._history is None or time.monotonic() < self._ask_after:
            return 0
        values = {"patience": self._patience, "limit": _AT_ONCE}
        told = 0
        for node, snapshot, summary in await (await connection.execute(_QUERIES, values)).fetchall():
            maker = maker_of(summary)
            try:
                body = await self._history.event(maker.query)
            except SilentError as problem:
                if str(problem) != self._silent:
                    log.warning("lost queries cannot be asked for: %s", problem)
                self._silent, self._ask_after = str(problem), time.monotonic() + _SILENCE
                return told
            self._silent = ""
            async with connection.transaction():
                if body is not None:
                    await rows.insert(connection, [parse(body)])
                    await connection.execute(_REDERIVED, (maker.run, "trino"))
                    told += 1
                await connection.execute(_ASKED, (node, snapshot))
        return told

    async def _tasks(self, connection: Connection) -> int:
        values = {"patience": self._patience, "limit": _AT_ONCE}
        found = await (await connection.execute(_TASKS, values)).fetchall()
        for node, snapshot, at, summary, namespace, name, lost in found:
            maker = maker_of(summary)
            event = task_event(maker, at, {"namespace": namespace, "name": name}, str(snapshot))
            async with connection.transaction():
                await rows.insert(connection, [parse(orjson.dumps(event))])
                if lost:
                    await connection.execute(_REDERIVED, (maker.run, "snapshot"))
                await connection.execute(_ASKED, (node, snapshot))
        return len(found)

    async def _views(self, connection: Connection) -> int:
        values = {"patience": self._patience, "limit": _AT_ONCE}
        found = await (await connection.execute(_VIEWS, values)).fetchall()
        for node, version, at, sql, dialect, schema, namespace, name in found:
            event = view_event({"namespace": namespace, "name": name}, version, at, sql, dialect, schema)
            async with connection.transaction():
                await rows.insert(connection, [parse(orjson.dumps(event))])
                await connection.execute(_REDERIVED, (event["run"]["runId"], "view"))
                await connection.execute(_ASKED, (node, version))
        return len(found)


def view_event(
    view: Mapping[str, str], version: int, at: datetime, sql: str, dialect: str, schema: str
) -> dict[str, Any]:
    """Return the statement that made a version of a view, as far as the catalog has it: all but who ran it."""
    name = ".".join(f'"{part}"' if dialect == "trino" else f"`{part}`" for part in view["name"].split("."))
    run = uuid.uuid5(_VIEW_RUNS, f"{view['namespace']}\n{view['name']}\n{version}\n{at.astimezone(UTC).isoformat()}")
    text = {**_facet("1-0-1", "SQLJobFacet"), "query": f"CREATE OR REPLACE VIEW {name} AS {sql}", "dialect": dialect}
    session = {**_facet("2-0-2", "RunFacet", file="OpenLineage"), "schema": schema or None}
    return {
        **_event("COMPLETE", at),
        "run": {"runId": str(run), "facets": {"lakehold_query": session}},
        "job": {"namespace": "lakehold", "name": f"view {view['name']}", "facets": {"sql": text}},
        "inputs": [],
        "outputs": [dict(view)],
    }


def task_event(maker: Maker, at: datetime, table: Mapping[str, str], snapshot: str) -> dict[str, Any]:
    """Return what a snapshot says of its task: that it was at work, and for one of our programs, what it wrote.

    Of a Spark application the snapshot does not say what it read; an event that left that out would say: nothing.
    """
    task, root = maker.task, maker.root
    assert task is not None  # noqa: S101 - chosen for having one
    facets: dict[str, Any] = {}
    job: dict[str, Any] = {"namespace": task.namespace, "name": task.job}
    if root is not None:
        head = {"run": {"runId": root.run}, "job": {"namespace": root.namespace, "name": root.job}}
        facets["parent"] = {**_facet("1-2-0", "ParentRunFacet"), **head, "root": head}
        kind = {"processingType": "BATCH", "integration": "AIRFLOW", "jobType": "TASK"}
        job["facets"] = {"jobType": {**_facet("2-0-3", "JobTypeJobFacet"), **kind}}
    version = {"version": {**_facet("1-0-1", "DatasetVersionDatasetFacet"), "datasetVersion": snapshot}}
    return {
        **_event("OTHER", at),
        "run": {"runId": task.run, "facets": facets},
        "job": job,
        "inputs": [],
        "outputs": [] if maker.application else [{**table, "facets": version}],
    }


def _event(kind: str, at: datetime) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _facet(version: str, name: str, *, file: str = "") -> dict[str, str]:
    where = f"{_SPEC}/{version}/{file}.json" if file else f"{_SPEC}/facets/{version}/{name}.json"
    return {"_producer": PRODUCER, "_schemaURL": f"{where}#/$defs/{name}"}
