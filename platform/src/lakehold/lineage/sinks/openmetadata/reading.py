"""Read from the lineage database what the publisher tells: nodes, pairs of tables, DAG runs, results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import lost
from lakehold.lineage.jsontext import skip, value_at
from lakehold.lineage.sinks.openmetadata.records import ColumnPair, DagRun, Field, Node, Pair, Result, TaskState

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_TOGETHER = 50
"""Nodes of which is asked at once what was said of them: an event may be large."""

_NODES = """
SELECT n.node_id, n.namespace, n.name, n.kind, n.description,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(f.name, f.type, f.description)
                               ORDER BY f.position NULLS LAST, f.field_id), '[]')
     FROM field f WHERE f.node_id = n.node_id AND f.name <> '' AND f.removed_at IS NULL),
    CASE WHEN n.kind = 'view' THEN (SELECT s.sql FROM statement s WHERE s.target_node = n.node_id
        AND s.sql <> '' ORDER BY s.at DESC LIMIT 1) END
FROM node n WHERE n.node_id = ANY(%s)
"""
# What the latest run that wrote a table said about who owns it and how it is tagged.
_SAID = """
SELECT n.node_id, told.body FROM unnest(%s::bigint[]) AS n (node_id) CROSS JOIN LATERAL (
    SELECT e.body FROM (
        SELECT r.run_id FROM alias a JOIN run_dataset rd ON rd.dataset_id = a.dataset_id AND rd.direction = 'output'
            JOIN run r ON r.run_id = rd.run_id WHERE a.node_id = n.node_id ORDER BY r.last_seen DESC LIMIT 3) latest
        JOIN event e ON e.run_id = latest.run_id
    WHERE e.body LIKE '%%"ownership"%%' OR e.body LIKE '%%"tags"%%' ORDER BY e.event_id DESC LIMIT 1) AS told
"""
_PAIR = """
SELECT coalesce(sf.name, ''), coalesce(tf.name, ''), e.direct, e.how, e.expression, e.process_id, e.last_run
FROM edge e JOIN field sf ON sf.field_id = e.source_field JOIN field tf ON tf.field_id = e.target_field
WHERE e.source_node = %s AND e.target_node = %s AND e.ended_at IS NULL ORDER BY e.last_seen DESC, e.edge_id
"""
_STATEMENT = """
SELECT s.sql FROM statement s WHERE s.target_node = %(target)s AND s.process_id = %(process)s AND s.sql <> ''
ORDER BY (s.run_id = %(run)s) DESC, s.at DESC LIMIT 1
"""
_ROOT = """
SELECT coalesce(r.root_run_id, p.root_run_id, p.parent_run_id, r.parent_run_id, r.run_id)
FROM run r LEFT JOIN run p ON p.run_id = r.process_run AND p.run_id <> r.run_id WHERE r.run_id = %s
"""
_RUN = """
SELECT r.run_id, j.name, r.state, coalesce(r.started_at, r.first_seen), r.ended_at,
    r.run_id = (SELECT l.run_id FROM run l WHERE l.job_id = r.job_id ORDER BY l.first_seen DESC, l.run_id LIMIT 1)
FROM run r JOIN job j USING (job_id) WHERE r.run_id = %s AND r.parent_run_id IS NULL
"""
_OF_AIRFLOW = """
SELECT r.run_id::text FROM run r WHERE r.run_id = ANY(%s::uuid[]) AND r.parent_run_id IS NULL
    AND EXISTS (SELECT 1 FROM event e WHERE e.run_id = r.run_id AND e.producer LIKE '%%airflow%%')
"""
_RUN_EVENTS = """
SELECT body FROM event WHERE run_id = %s AND producer LIKE '%%airflow%%' ORDER BY event_id DESC LIMIT 20
"""
_TASK_RUNS = """
SELECT j.name, r.started_at, r.ended_at, r.state FROM run r JOIN job j USING (job_id)
WHERE r.parent_run_id = %s ORDER BY r.first_seen
"""
_RESULTS = """
SELECT node_id, column_name, name, success, at, details FROM assertion_result WHERE run_id = %s
ORDER BY node_id, column_name, name
"""


async def nodes(connection: Connection, ids: Iterable[int]) -> list[Node]:
    """Return the nodes that exist."""
    cursor = await connection.execute(_NODES, (list(ids),))
    return [
        Node(
            node_id=node_id,
            namespace=namespace,
            name=name,
            kind=kind,
            description=description,
            fields=[Field(name=one[0], type=one[1], description=one[2]) for one in fields],
            view_sql=sql or "",
        )
        for node_id, namespace, name, kind, description, fields, sql in await cursor.fetchall()
    ]


async def pair(connection: Connection, source: int, target: int) -> Pair:
    """Return how one table feeds another now."""
    rows = await (await connection.execute(_PAIR, (source, target))).fetchall()
    if not rows:
        return Pair(source=source, target=target, open=False)
    process_id, run_id = rows[0][5:]
    statement = await (
        await connection.execute(_STATEMENT, {"target": target, "process": process_id, "run": run_id})
    ).fetchone()
    root = await (await connection.execute(_ROOT, (run_id,))).fetchone()
    return Pair(
        source=source,
        target=target,
        open=True,
        columns=[
            ColumnPair(source=row[0], target=row[1], direct=row[2], how=row[3], expression=row[4])
            for row in rows
            if row[0] and row[1]
        ],
        sql=statement[0] if statement else "",
        root_run=str(root[0]) if root and root[0] else "",
    )


async def perhaps_dags(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of many runs that may be of a DAG: Airflow told of them, and nothing started them."""
    cursor = await connection.execute(_OF_AIRFLOW, (list(ids),))
    return {row[0] for row in await cursor.fetchall()}


async def dag_run(connection: Connection, run_id: str) -> DagRun | None:
    """Return a run if it is one of a DAG, else ``None``."""
    row = await (await connection.execute(_RUN, (run_id,))).fetchone()
    if row is None:
        return None
    events = [_event(body) for (body,) in await (await connection.execute(_RUN_EVENTS, (run_id,))).fetchall()]
    events = [event for event in events if _at(event, "job", "facets", "jobType", "jobType") == "DAG"]
    if not events:
        return None
    latest = events[0]
    dag = _first(events, "run", "facets", "airflowDagRun", "dag")
    states = _first(events, "run", "facets", "airflowState", "tasksState")
    task_runs = await (await connection.execute(_TASK_RUNS, (run_id,))).fetchall()
    return DagRun(
        run_id=str(row[0]),
        dag=row[1],
        state=row[2],
        started_at=row[3],
        ended_at=row[4],
        latest=row[5],
        description=_text(_at(latest, "job", "facets", "documentation", "description")),
        schedule=_text(_at(dag, "timetable_summary")),
        owners=_owners(_at(latest, "job", "facets", "ownership")),
        tags=_tags(_at(latest, "job", "facets", "tags"), default="Airflow"),
        tasks=_tasks(_first(events, "job", "facets", "airflow", "tasks")),
        states=_states(row[1], states, task_runs),
    )


async def results(connection: Connection, run_id: str) -> list[Result]:
    """Return what a gate's run found out."""
    cursor = await connection.execute(_RESULTS, (run_id,))
    return [
        Result(node_id=row[0], column=row[1], name=row[2], success=row[3], at=row[4], details=row[5])
        for row in await cursor.fetchall()
    ]


def _states(dag: str, states: Any, task_runs: Sequence[Sequence[Any]]) -> list[TaskState]:
    times = {name.removeprefix(f"{dag}."): (start, end, state) for name, start, end, state in task_runs}
    ended = {"COMPLETE": "success", "FAIL": "failed", "ABORT": "failed"}
    said = {_clean(name): _clean(str(state)) for name, state in states.items()} if isinstance(states, dict) else {}
    names = sorted({*said, *times})
    found = []
    for name in names:
        start, end, state = times.get(name, (None, None, ""))
        found.append(
            TaskState(name=name, state=said.get(name) or ended.get(state, "running"), started_at=start, ended_at=end)
        )
    return found


def _tasks(tasks: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(tasks, dict):
        return {}
    found = {}
    for name, said in ((name, said) for name, said in tasks.items() if isinstance(said, dict)):
        downstream = _at(said, "downstream_task_ids")
        found[_clean(name)] = {
            "ui_label": _text(_at(said, "ui_label")),
            "operator": _text(_at(said, "operator")),
            "downstream_task_ids": [_text(one) for one in downstream] if isinstance(downstream, list) else [],
        }
    return found


async def said(connection: Connection, nodes: Sequence[Node]) -> list[Node]:
    """Return nodes with their owners and tags: what the latest run that wrote each said about them."""
    known = {node.node_id: node for node in nodes}
    cursor = await connection.execute(_SAID, (list(known),))
    async for node_id, body in cursor:
        known[node_id] = _as_said(known[node_id], _event(body))
    return list(known.values())


async def perhaps_said(connection: Connection, nodes: Sequence[Node]) -> dict[int, Node]:
    """Return nodes as :func:`said` does, but for those with one among them that is too odd; ask of these alone."""
    known: dict[int, Node] = {}
    for first in range(0, len(nodes), _TOGETHER):
        try:
            known |= {node.node_id: node for node in await said(connection, nodes[first : first + _TOGETHER])}
        except Exception as problem:
            if lost(problem):
                raise
            log.warning("owners and tags are asked of table by table: %s", problem)
    return known


def _as_said(node: Node, event: Any) -> Node:
    outputs = _at(event, "outputs")
    for output in outputs if isinstance(outputs, list) else []:
        named = (_at(output, "namespace"), _at(output, "name"))
        if len(outputs) == 1 or named == (node.namespace, node.name):
            facets = _at(output, "facets")
            tags = _tags(_at(facets, "tags"), default="OpenLineage")
            return replace(node, owners=_owners(_at(facets, "ownership")), tags=tags)
    return node


def _owners(facet: Any) -> list[str]:
    """Return the names of owners, ``team:data`` without its kind."""
    owners = _at(facet, "owners")
    names = [_text(_at(one, "name")).rpartition(":")[2] for one in owners] if isinstance(owners, list) else []
    return list(dict.fromkeys(name for name in names if name))


def _tags(facet: Any, *, default: str) -> list[tuple[str, str]]:
    """Return classification and name of each tag: Airflow's are one word, others have a key and a value."""
    found = []
    tags = _at(facet, "tags")
    for tag in tags if isinstance(tags, list) else []:
        key, value = _text(_at(tag, "key")), _text(_at(tag, "value"))
        if not _text(_at(tag, "field")) and key:
            found.append((default, key) if value in {key, "", "true"} else (key, value))
    return list(dict.fromkeys(found))


def _first(events: Iterable[Any], *path: str) -> Any:
    return next((value for event in events if (value := _at(event, *path)) is not None), None)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Return text without halves of surrogate pairs: JSON can write them, nobody can send them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _event(body: str) -> Any:
    """Return an event, read as the receiver read it when it took it."""
    return value_at(body, skip(body, 0))[0]
