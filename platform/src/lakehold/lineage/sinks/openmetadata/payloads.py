"""What OpenMetadata is sent, as pure functions of what is known; the shapes are those of its JSON schemas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from lakehold.lineage.sinks.openmetadata.dialect import Dialect
from lakehold.lineage.sinks.openmetadata.names import fit, fqn, link, text
from lakehold.lineage.sinks.openmetadata.records import ColumnPair, DagRun, Field, Node, Result, TaskState
from lakehold.lineage.sinks.openmetadata.types import column_type

Payload = dict[str, Any]

_ENDED = {"COMPLETE": "Successful", "FAIL": "Failed", "ABORT": "Failed"}
_TASK_ENDED = {"success": "Successful", "failed": "Failed", "upstream_failed": "Failed", "skipped": "Skipped"}


def service(name: str, type_: str) -> Payload:
    """A service, without its connection: nobody reads through it, and one that has a connection is left alone."""
    return {"name": name, "serviceType": type_}


def database(service_: str, name: str) -> Payload:
    """A database: the Iceberg catalog."""
    return {"name": fit(name), "service": service_}


def schema(database_: str, name: str) -> Payload:
    """A schema of it."""
    return {"name": fit(name), "database": database_}


def table(
    schema_: str, node: Node, dialect: Dialect, *, owners: Sequence[Mapping[str, str]], tags: Sequence[str]
) -> Payload:
    """A table or view with its columns."""
    found: Payload = {
        "name": fit(node.name.partition(".")[2] or node.name),
        "databaseSchema": schema_,
        "tableType": "View" if node.kind == "view" else "Iceberg",
        "columns": columns(node.fields),
    }
    if node.kind == "view" and node.view_sql:
        found[dialect.view_text] = text(node.view_sql)
    return _described(found, node.description, dialect, owners, tags)


def columns(fields: Sequence[Field]) -> list[Payload]:
    """Columns in their order; ``a.b`` is a part of the column ``a`` where there is one."""
    found: list[Payload] = []
    by_name: dict[str, Payload] = {}
    for one in fields:
        parent, _, leaf = one.name.rpartition(".")
        above = by_name.get(parent)
        column: Payload = {"name": fit(leaf if above is not None else one.name), **column_type(one.type)}
        if one.description:
            column["description"] = text(one.description)
        siblings = found if above is None else above.setdefault("children", [])
        if column["name"] not in {other["name"] for other in siblings}:
            siblings.append(column)
        by_name[one.name] = column
    return found


def column_path(name: str, names: Collection[str]) -> list[str]:
    """Return the path of a column among all of its table, as :func:`columns` nests them."""
    parent, _, leaf = name.rpartition(".")
    return [*column_path(parent, names), fit(leaf)] if parent and parent in names else [fit(name)]


def container_name(node: Node) -> str:
    """Return the name of a file or folder: its bucket and path."""
    return fit(_where(node).removeprefix("s3://"))


def _where(node: Node) -> str:
    return f"{node.namespace.rstrip('/')}/{node.name}"


def container(
    service_: str, node: Node, dialect: Dialect, *, owners: Sequence[Mapping[str, str]], tags: Sequence[str]
) -> Payload:
    """A file or folder of the object store."""
    found: Payload = {
        "name": container_name(node),
        "displayName": fit(node.name),
        "service": service_,
        "prefix": f"/{node.name}",
    }
    if node.fields:
        found["dataModel"] = {"isPartitioned": False, "columns": columns(node.fields)}
    if dialect.container_path:
        found["fullPath"] = _where(node)
    return _described(found, node.description, dialect, owners, tags)


def pipeline(
    service_: str,
    run: DagRun,
    dialect: Dialect,
    *,
    airflow_url: str,
    owners: Sequence[Mapping[str, str]],
    tags: Sequence[str],
) -> Payload:
    """A DAG with its tasks."""
    found: Payload = {"name": fit(run.dag), "service": service_, "tasks": _tasks(run, airflow_url)}
    if airflow_url:
        found["sourceUrl"] = f"{airflow_url}/dags/{run.dag}"
    if run.schedule:
        found["scheduleInterval"] = run.schedule
    return _described(found, run.description, dialect, owners, tags)


def _tasks(run: DagRun, airflow_url: str) -> list[Payload]:
    found = []
    for name, said in sorted(run.tasks.items()):
        task: Payload = {"name": name}
        label = str(said.get("ui_label") or "")
        if label and not name.endswith(f".{label}"):  # in a group it is the end of the name: many are a "gate"
            task["displayName"] = label
        if said.get("operator"):
            task["taskType"] = str(said["operator"]).rpartition(".")[2]
        downstream = said.get("downstream_task_ids")
        if isinstance(downstream, list):
            task["downstreamTasks"] = sorted(one for one in downstream if isinstance(one, str) and one in run.tasks)
        if airflow_url:
            task["sourceUrl"] = f"{airflow_url}/dags/{run.dag}/tasks/{name}"
        found.append(task)
    return found


def status(run: DagRun, known: Collection[str]) -> Payload:
    """How a DAG run went, for the tasks the pipeline is known to have (another is a 400)."""
    return {
        "timestamp": milliseconds(run.started_at),
        "executionStatus": _ENDED.get(run.state, "Pending"),
        "taskStatus": [_task_status(task) for task in run.states if task.name in known],
    }


def _task_status(task: TaskState) -> Payload:
    found: Payload = {"name": task.name, "executionStatus": _TASK_ENDED.get(task.state, "Pending")}
    if task.started_at is not None:
        found["startTime"] = milliseconds(task.started_at)
    if task.ended_at is not None:
        found["endTime"] = milliseconds(task.ended_at)
    return found


def edge(
    source: Mapping[str, str],
    target: Mapping[str, str],
    dialect: Dialect,
    *,
    sql: str,
    pipeline_id: str,
    mapping: Sequence[Payload],
) -> Payload:
    """An edge between two entities by their references; it replaces what was said of the pair before."""
    details: Payload = {"source": dialect.edge_source}
    if sql:
        details["sqlQuery"] = text(sql)
    if pipeline_id:
        details["pipeline"] = {"id": pipeline_id, "type": "pipeline"}
    if mapping:
        details["columnsLineage"] = list(mapping)
    return {"edge": {"fromEntity": dict(source), "toEntity": dict(target), "lineageDetails": details}}


def mapping(
    pairs: Sequence[ColumnPair], source: tuple[str, Collection[str]], target: tuple[str, Collection[str]]
) -> list[Payload]:
    """Return the columns of an edge; each side is a table's qualified name with its live columns.

    A column that is not there (any more) is left out, since one unknown name is a 400 for the whole edge. A row-level
    effect (a join, a filter) is no column's, so it stays with the tables.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for pair in pairs:
        if pair.source in source[1] and pair.target in target[1]:
            sources, functions = found.setdefault(pair.target, (set(), set()))
            sources.add(pair.source)
            functions.add(pair.expression or pair.how)
    return [
        {
            "fromColumns": [_column(source, name) for name in sorted(sources)],
            "toColumn": _column(target, column),
            "function": text("; ".join(sorted(functions)), 4000),
        }
        for column, (sources, functions) in sorted(found.items())
    ]


def _column(side: tuple[str, Collection[str]], name: str) -> str:
    return f"{side[0]}.{fqn(*column_path(name, side[1]))}"


def definition(name: str, *, of_column: bool, great_expectations: bool) -> Payload:
    """A kind of test."""
    kind = "an expectation of Great Expectations" if great_expectations else "a rule of Lakehold's gates"
    return {
        "name": name,
        "description": f"{name}: {kind}.",
        "entityType": "COLUMN" if of_column else "TABLE",
        "testPlatforms": ["GreatExpectations" if great_expectations else "Other"],
        "parameterDefinition": [],
    }


def suite(table_: str, dialect: Dialect) -> Payload:
    """The suite of a table."""
    return {"name": f"{table_}.testSuite", dialect.suite_table: table_}


def case(result: Result, table_: str, definition_: str, dialect: Dialect) -> Payload:
    """A rule of a gate about a table or a column of it."""
    found: Payload = {
        "name": fit(result.name),
        "entityLink": link(table_, result.column),
        "testDefinition": definition_,
        "parameterValues": [],
    }
    if not dialect.basic_suites:
        found["testSuite"] = f"{table_}.testSuite"
    if result.details.get("description"):
        found["description"] = text(str(result.details["description"]))
    return found


def outcome(result: Result) -> Payload:
    """What a gate found out."""
    details = result.details
    said = [(name, str(details[name])) for name in ("actual", "expected") if details.get(name) is not None]
    severity = details.get("severity")
    head = "" if result.success or severity is None else f"{severity}: "
    return {
        "timestamp": milliseconds(result.at),
        "testCaseStatus": "Success" if result.success else "Failed",
        "result": text(head + ("; ".join(f"{name} {value}" for name, value in said) or "as it should be"), 4000),
        "testResultValue": [{"name": name, "value": text(value, 4000)} for name, value in said],
    }


def tag_label(name: str) -> Payload:
    """A tag on something, by its qualified name."""
    return {"tagFQN": name, "source": "Classification", "labelType": "Automated", "state": "Confirmed"}


def milliseconds(moment: datetime) -> int:
    """Return a time as OpenMetadata has it."""
    return int(moment.timestamp() * 1000)


def _described(
    found: Payload, description: str, dialect: Dialect, owners: Sequence[Mapping[str, str]], tags: Sequence[str]
) -> Payload:
    if description:
        found["description"] = text(description)
    if owners:
        found[dialect.owners] = [dict(one) for one in owners] if dialect.owners == "owners" else dict(owners[0])
    if tags:
        found["tags"] = [tag_label(name) for name in tags]
    return found
