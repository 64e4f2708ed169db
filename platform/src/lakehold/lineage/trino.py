"""Trino's own account of a query, in OpenLineage's words: the begin or the end of a query becomes one run event.

Trino's HTTP event listener posts what it knows of a query without keeping the query waiting, and tries again when
nobody takes it. It tells more than Trino's OpenLineage listener does: who asked, with which client tags, and which
schema the names without one are in. Runs, jobs and datasets have the names that listener gives them, so that its events
and these are about the same things.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from lakehold.config import ancestry, openlineage
from lakehold.lineage.jsontext import MalformedError

PRODUCER = "https://lakehold.invalid/trino"
"""Who made the events; a reserved name, because nothing of the platform has an address on the internet."""
QUERY_FACET = "lakehold_query"
"""Run facet with the query's id, user, source, client tags, default catalog and schema, and dbt node."""
KINDS = frozenset({"INSERT", "MERGE", "UPDATE", "DELETE", "ALTER_TABLE_EXECUTE", "DATA_DEFINITION"})
"""Types of queries that change something; of others nothing is kept."""

Json = dict[str, Any]


def run_event(body: bytes, namespace: str, trusted: Collection[str] = ()) -> bytes | None:
    """Return the OpenLineage event for one event of Trino; ``None`` for a query that only reads.

    :param namespace: the OpenLineage namespace of the job
    :param trusted: users whose queries may say which task or dbt model they are of; others work for themselves
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise MalformedError(f"not JSON: {problem}") from None
    event = _Event(_checked(value, dict, "the event"), namespace, trusted)
    return orjson.dumps(event.translated()) if event.kind in KINDS else None


class _Event:
    """A QueryCreatedEvent or QueryCompletedEvent of Trino's SPI, as its JSON."""

    def __init__(self, value: Json, namespace: str, trusted: Collection[str]) -> None:
        self.value = value
        self.namespace = namespace
        self.context = _object(value, "context")
        self.metadata = _object(value, "metadata")
        self.ended = value.get("endTime") is not None
        self.kind = _text(self.context, "queryType")
        # What a query says of itself anybody can write, and a task's edges end with what it does.
        self.believed = _text(self.context, "user") in trusted

    def translated(self) -> Json:
        """Return the OpenLineage event."""
        query = _required(self.metadata, "queryId")
        event = {
            **openlineage.head(self._type(), self._at(), PRODUCER),
            "run": {"runId": str(run_id(query)), "facets": self._run_facets(query)},
            "job": {
                "namespace": self.namespace,
                "name": query,
                "facets": {
                    "jobType": {
                        **_facet("2-0-3", "JobTypeJobFacet"),
                        "processingType": "BATCH",
                        "integration": "TRINO",
                        "jobType": "QUERY",
                    },
                    "sql": {**_facet("1-0-1", "SQLJobFacet"), "query": self.sql, "dialect": "trino"},
                },
            },
        }
        return {**event, "inputs": self._inputs(), "outputs": self._outputs()} if self.ended else event

    @property
    def sql(self) -> str:
        """The statement; of ``EXECUTE`` the one that was prepared."""
        return _text(self.metadata, "preparedQuery") or _required(self.metadata, "query")

    def _at(self) -> datetime:
        text = _required(self.value, "endTime" if self.ended else "createTime")
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise MalformedError(f"{text[:40]!r} is no time") from None

    def _type(self) -> str:
        if not self.ended:
            return "START"
        return "FAIL" if _text(self.metadata, "queryState") == "FAILED" else "COMPLETE"

    def _run_facets(self, query: str) -> Json:
        context = self.context
        facets = {
            "processing_engine": {
                **_facet("1-1-1", "ProcessingEngineRunFacet"),
                "name": "trino",
                "version": _text(context, "serverVersion") or "unknown",
            },
            QUERY_FACET: {
                **_facet("2-0-2", "RunFacet", file="OpenLineage"),
                "query_id": query,
                "query_type": self.kind,
                "user": _required(context, "user"),
                "source": _text(context, "source"),
                "client_info": _text(context, "clientInfo"),
                "client_tags": _texts(context, "clientTags"),
                "catalog": _text(context, "catalog"),
                "schema": _text(context, "schema"),
                "model": dbt_node(self.sql) if self.believed else None,
            },
            **(self._parent() if self.believed else {}),
        }
        if self.ended and (failure := _object(self.value, "failureInfo")):
            facets["errorMessage"] = {
                **_facet("1-0-1", "ErrorMessageRunFacet"),
                "message": _text(failure, "failureMessage") or "unknown",
                "programmingLanguage": "SQL",
            }
        return facets

    def _parent(self) -> Json:
        """Return the parent facet: from our tags, or from what Airflow's own hook says of its task."""
        found = ancestry.of_trino_tags(_texts(self.context, "clientTags"))
        task = _airflow_task(_text(self.context, "clientInfo") or "")
        if found.task is not None or task is None:
            return openlineage.parent(PRODUCER, found)
        job = {"namespace": self.namespace, "name": task}
        return {"parent": {**_facet("1-2-0", "ParentRunFacet"), "job": job}}

    def _name(self, holder: Json, catalog: str = "catalog") -> Json:
        """Return the dataset that ``holder`` names: ``trino://host:port``, ``catalog.schema.table``."""
        where = urlsplit(_text(self.metadata, "uri") or "").netloc
        name = ".".join(_required(holder, key) for key in (catalog, "schema", "table"))
        return {"namespace": f"trino://{where}", "name": name}

    def _inputs(self) -> list[Json]:
        found: dict[str, Json] = {}
        for table in _objects(self.metadata, "tables"):
            # The tables below a view are the view's inputs.
            if table.get("directlyReferenced") is True:
                columns = [{"name": _required(column, "column")} for column in _objects(table, "columns")]
                dataset = {**self._name(table), "facets": {"schema": _schema(columns)}}
                found.setdefault(dataset["name"], dataset)
        return list(found.values())

    def _outputs(self) -> list[Json]:
        output = _object(_object(self.value, "ioMetadata"), "output")
        if not output:
            return []
        columns = _objects(output, "columns")
        schema = [
            {"name": _required(column, "columnName"), "type": _text(column, "columnType") or ""} for column in columns
        ]
        facets = {"schema": _schema(schema), "columnLineage": self._column_lineage(columns)}
        dataset = {**self._name(output, "catalogName"), "facets": facets}
        written = _object(self.value, "statistics")
        rows, size = written.get("writtenRows"), written.get("writtenBytes")
        if isinstance(rows, int) and isinstance(size, int):
            statistics = {**_facet("1-0-2", "OutputStatisticsOutputDatasetFacet"), "rowCount": rows, "size": size}
            dataset["outputFacets"] = {"outputStatistics": statistics}
        return [dataset]

    def _column_lineage(self, columns: list[Json]) -> Json:
        fields = {
            _required(column, "columnName"): {
                "inputFields": [
                    {**self._name(source), "field": _required(source, "columnName")}
                    for source in _objects(column, "sourceColumns")
                ]
            }
            for column in columns
        }
        read = [
            {**self._name(table, "catalogName"), "field": _required(column, "name")}
            for table in _objects(_object(self.value, "ioMetadata"), "inputs")
            for column in _objects(table, "columns")
        ]
        return {**_facet("1-2-0", "ColumnLineageDatasetFacet"), "fields": fields, "dataset": read}


def run_id(query: str) -> UUID:
    """Return the run of a query id, as Java's ``UUID.nameUUIDFromBytes`` makes it."""
    return UUID(bytes=hashlib.md5(query.encode(), usedforsecurity=False).digest(), version=3)


def dbt_node(sql: str) -> str | None:
    """Return the node in the comment dbt puts before (or, if told so, after) a statement: ``model.lakehold.delays``."""
    text = sql.strip()
    if text.startswith("/*"):
        comment = text[2:].partition("*/")[0]
    elif text.endswith("*/"):
        comment = text[:-2].rpartition("/*")[2]
    else:
        return None
    said = _maybe_object(comment)
    node = said.get("node_id")
    return node if said.get("app") == "dbt" and isinstance(node, str) else None


def _airflow_task(client_info: str) -> str | None:
    said = _maybe_object(client_info)
    dag, task = said.get("dag_id"), said.get("task_id")
    return f"{dag}.{task}" if isinstance(dag, str) and isinstance(task, str) and dag and task else None


def _maybe_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _schema(fields: list[Json]) -> Json:
    return {**_facet("1-1-1", "SchemaDatasetFacet"), "fields": fields}


def _facet(version: str, name: str, file: str = "") -> Json:
    return openlineage.facet(PRODUCER, version, name, file=file)


def _checked(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise MalformedError(f"{what} must be {'a JSON object' if kind is dict else 'a JSON array'}")
    return value


def _object(holder: Json, key: str) -> Json:
    value = holder.get(key)
    found: Json = _checked({} if value is None else value, dict, key)
    return found


def _objects(holder: Json, key: str) -> list[Json]:
    value = holder.get(key)
    return [_checked(item, dict, f"each of {key}") for item in _checked([] if value is None else value, list, key)]


def _text(holder: Json, key: str) -> str | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise MalformedError(f"{key} must be text")
    return value


def _texts(holder: Json, key: str) -> list[str]:
    value = holder.get(key)
    items = _checked([] if value is None else value, list, key)
    if not all(isinstance(item, str) for item in items):
        raise MalformedError(f"each of {key} must be text")
    return sorted(items)


def _required(holder: Json, key: str) -> str:
    value = _text(holder, key)
    if not value:
        raise MalformedError(f"{key} is missing")
    return value
