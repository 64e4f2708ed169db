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
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.config.openlineage import facet, head, producer, run_of
from lakehold.lineage import rows
from lakehold.lineage.catalog.history import History, LaterError, SilentError
from lakehold.lineage.catalog.maker import Maker, maker_of
from lakehold.lineage.database import passing
from lakehold.lineage.event import parse
from lakehold.lineage.jsontext import MalformedError

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

PRODUCER = producer("catalog")
_VIEW_RUNS = uuid.UUID("6f1f7f0e-5c0b-4f0a-9a55-0d1f8a1f6f5e")
"""The namespace of run ids made of a view's name and version."""
_AT_ONCE = 50
_SILENCE = 30.0
"""Seconds to leave Trino alone when it does not answer."""
PATIENCE = 120
"""Seconds after a commit in which its own engine may still report it: Trino's listener tries for a minute."""

_QUERIES = """
SELECT node_id, snapshot_id, summary FROM snapshot
WHERE matched_by IS NULL AND gone_at IS NULL AND summary ? 'trino_query_id' AND asked = 0
    AND committed_at < clock_timestamp() - make_interval(secs => %(patience)s)
    AND (asked_at IS NULL OR asked_at < clock_timestamp() - interval '1 minute')
ORDER BY asked_at NULLS FIRST, committed_at DESC LIMIT %(limit)s
"""
_ASKED = """
UPDATE snapshot SET asked = asked + 1, asked_at = clock_timestamp() WHERE (node_id, snapshot_id) = (%s, %s)
"""
# Trino keeps no query for a day.
_LATER = """
UPDATE snapshot SET asked_at = clock_timestamp(),
    asked = asked + (committed_at < clock_timestamp() - interval '1 day')::integer
WHERE (node_id, snapshot_id) = (%s, %s)
"""
# A program that a person started has nobody else who reports it.
_TASKS = """
SELECT s.node_id, s.snapshot_id, s.committed_at, s.summary, n.namespace, n.name, r.run_id IS NULL
FROM snapshot s JOIN node n USING (node_id) LEFT JOIN run r ON r.run_id = s.maker
WHERE s.gone_at IS NULL AND s.maker IS NOT NULL AND s.summary ? 'lakehold.task' AND s.asked = 0
    AND (s.matched_by IS NULL OR s.summary ? 'lakehold.program') AND (
    (s.summary ? 'lakehold.program' AND r.run_id IS NOT NULL) OR (r.run_id IS NULL
        AND s.committed_at < clock_timestamp() - make_interval(secs => %(patience)s)))
ORDER BY s.committed_at LIMIT %(limit)s
"""
_VIEWS = """
SELECT s.node_id, s.snapshot_id, v.made_at, v.sql, v.dialect, v.schema, n.namespace, n.name
FROM snapshot s JOIN node n USING (node_id)
    JOIN view_version v ON (v.node_id, v.version_id, v.made_at) = (s.node_id, s.snapshot_id, s.committed_at)
WHERE s.matched_by IS NULL AND s.gone_at IS NULL AND s.operation = 'view' AND s.asked = 0
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
        told = 0
        for node, snapshot, summary in await self._chosen(connection, _QUERIES):
            maker = maker_of(summary)
            try:
                body = await self._history.event(maker.query)
            except LaterError as problem:
                log.info("the query %s cannot be told again yet: %s", maker.query, problem)
                await connection.execute(_LATER, (node, snapshot))
                continue
            except SilentError as problem:
                if str(problem) != self._silent:
                    log.warning("lost queries cannot be asked for: %s", problem)
                self._silent, self._ask_after = str(problem), time.monotonic() + _SILENCE
                return told
            self._silent = ""
            told += await _tell(connection, (node, snapshot), body, (maker.run, "trino"))
        return told

    async def _tasks(self, connection: Connection) -> int:
        told = 0
        for node, snapshot, at, summary, namespace, name, lost in await self._chosen(connection, _TASKS):
            maker = maker_of(summary)
            event = task_event(maker, at, {"namespace": namespace, "name": name}, str(snapshot))
            source = (maker.run, "snapshot") if lost else None
            told += await _tell(connection, (node, snapshot), orjson.dumps(event), source)
        return told

    async def _views(self, connection: Connection) -> int:
        told = 0
        for node, version, at, sql, dialect, schema, namespace, name in await self._chosen(connection, _VIEWS):
            event = view_event({"namespace": namespace, "name": name}, version, at, sql, dialect, schema)
            source = (event["run"]["runId"], "view")
            told += await _tell(connection, (node, version), orjson.dumps(event), source)
        return told

    async def _chosen(self, connection: Connection, statement: LiteralString) -> list[TupleRow]:
        values = {"patience": self._patience, "limit": _AT_ONCE}
        return await (await connection.execute(statement, values)).fetchall()


async def _tell(
    connection: Connection, key: tuple[int, int], body: bytes | None, source: tuple[UUID | None, str] | None
) -> int:
    """Take an event into the journal, if there is one, and note that its snapshot was asked about; return how many.

    One that nobody can keep is left out, loudly: others wait behind it.
    """
    try:
        event = parse(body) if body is not None else None
        async with connection.transaction():
            if event is not None:
                await rows.insert(connection, [event])
                if source is not None:
                    await connection.execute(_REDERIVED, source)
            await connection.execute(_ASKED, key)
    except (MalformedError, psycopg.Error) as problem:
        if passing(problem):
            raise
        log.exception("a run that was lost cannot be told again: snapshot %s", key[1])
        await connection.execute(_ASKED, key)
        return 0
    return int(event is not None)


def view_event(
    view: Mapping[str, str], version: int, at: datetime, sql: str, dialect: str, schema: str
) -> dict[str, Any]:
    """Return the statement that made a version of a view, as far as the catalog has it: all but who ran it."""
    name = ".".join(f'"{part}"' if dialect == "trino" else f"`{part}`" for part in view["name"].split("."))
    run = uuid.uuid5(_VIEW_RUNS, f"{view['namespace']}\n{view['name']}\n{version}\n{at.astimezone(UTC).isoformat()}")
    text = {
        **facet(PRODUCER, "1-0-1", "SQLJobFacet"),
        "query": f"CREATE OR REPLACE VIEW {name} AS {sql}",
        "dialect": dialect,
    }
    session = {**facet(PRODUCER, "2-0-2", "RunFacet", file="OpenLineage"), "schema": schema or None}
    return {
        **head("COMPLETE", at, PRODUCER),
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
        facets["parent"] = {**facet(PRODUCER, "1-2-0", "ParentRunFacet"), **run_of(root), "root": run_of(root)}
        kind = {"processingType": "BATCH", "integration": "AIRFLOW", "jobType": "TASK"}
        job["facets"] = {"jobType": {**facet(PRODUCER, "2-0-3", "JobTypeJobFacet"), **kind}}
    version = {"version": {**facet(PRODUCER, "1-0-1", "DatasetVersionDatasetFacet"), "datasetVersion": snapshot}}
    return {
        **head("OTHER", at, PRODUCER),
        "run": {"runId": task.run, "facets": facets},
        "job": job,
        "inputs": [],
        "outputs": [] if maker.application else [{**table, "facets": version}],
    }
