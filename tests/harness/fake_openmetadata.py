"""A FAKE OpenMetadata: answers as a live 1.2 was recorded to (tests/contracts), and as 2.0's source says.

It is no OpenMetadata. It keeps what the publisher sends and refuses what the live server refused, with its words, so
that failures can be tested without one; tests/unit/lineage/sinks/test_fake_openmetadata.py replays the recorded
exchanges against it.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from faulty_http import Answer, FaultyServer, Request

TOKEN = "the-token-of-a-bot"

_TABLE = {
    "domain", "tableType", "lifeCycle", "name", "displayName", "dataProducts", "owner", "sourceUrl", "viewDefinition",
    "tableProfilerConfig", "description", "columns", "retentionPeriod", "tableConstraints", "fileFormat", "tags",
    "tablePartition", "extension", "databaseSchema",
}  # fmt: skip
_SUITE = {"owner", "name", "description", "displayName", "executableEntityReference", "dataProducts"}
_RESULT = {"testResultValue", "testCaseStatus", "timestamp", "testCaseFailureStatus", "result", "sampleData"}
_TYPES = {
    "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "TIMESTAMP", "TIMESTAMPZ", "TIME", "DATE",
    "STRING", "TEXT", "CHAR", "VARCHAR", "BOOLEAN", "BINARY", "VARBINARY", "ARRAY", "MAP", "STRUCT", "JSON", "UUID",
    "FIXED", "VARIANT", "GEOMETRY", "GEOGRAPHY", "NULL", "UNKNOWN", "INTERVAL",
}  # fmt: skip
_LINK = re.compile(r"^<#E::\w+::[\w'\- .&/:+\"\\()$#%]+>$")


class _No(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _cannot(what: str, value: str) -> _No:
    return _No(400, f"Cannot construct instance of `org.openmetadata.schema.{what}`, problem: {value}")


def _router(status: int, words: str) -> _No:
    return _No(500, f"An exception with message [HTTP {status} {words}] was thrown while processing request.")


class FakeOpenMetadata:
    """The state of the fake, and what it answers to each request."""

    def __init__(self, version: str = "1.2.0-SNAPSHOT", *, old: bool | None = None) -> None:
        self.version = version
        self.old = version.startswith("1.") if old is None else old
        """Whether it knows the words of 1.2; which version learned the new ones is not known."""
        self.recorded = version.startswith("1.2")
        self.empty()
        self._lock = threading.RLock()

    def empty(self) -> None:
        """Lose everything, as a server does whose database is made anew."""
        self.entities: dict[str, dict[str, dict[str, Any]]] = {}
        """Type → qualified name → entity."""
        self.edges: dict[tuple[str, str], dict[str, Any]] = {}
        self.statuses: dict[tuple[str, int], dict[str, Any]] = {}
        self.results: dict[tuple[str, int], dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        """Method and path of every write that was taken, in order."""

    def named(self, type_: str) -> list[str]:
        return sorted(self.entities.get(type_, {}))

    def edge(self, source: str, target: str) -> dict[str, Any] | None:
        """The details of the edge between two entities by their qualified names."""
        ids = [self._by_fqn(name)["id"] for name in (source, target)]
        return self.edges.get((ids[0], ids[1]))

    def _by_fqn(self, name: str) -> dict[str, Any]:
        for entities in self.entities.values():
            if name in entities:
                return entities[name]
        raise KeyError(name)

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            try:
                status, body = self._route(request)
            except _No as no:
                key = "message" if no.status != 500 else "responseMessage"
                status, body = no.status, {"code": no.status, key: str(no)}
            else:
                if request.method != "GET":
                    self.writes.append((request.method, unquote(request.path)))
        headers = {"Content-Type": "application/json"}
        return Answer(status, b"" if body is None else json.dumps(body).encode(), headers)

    def _route(self, request: Request) -> tuple[int, Any]:
        given = request.headers.get("Authorization", "")
        if not given.startswith("Bearer "):
            raise _No(401, "Not Authorized! Token not present")
        if given != f"Bearer {TOKEN}":
            raise _No(401, "Invalid token")
        path = urlsplit(request.path).path.removeprefix("/api/v1")
        for pattern, handler in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                parts = [unquote(part) for part in match.groups()]
                known: Any = getattr(self, f"_{request.method.lower()}_{handler}", None)
                if known is None:
                    raise _router(405, "Method Not Allowed")
                return known(*parts) if request.method in {"GET", "DELETE"} else known(_read(request), *parts)
        raise _router(404, "Not Found")

    def _get_version(self) -> tuple[int, Any]:
        return 200, {"version": self.version}

    def _get_named(self, type_: str, name: str) -> tuple[int, Any]:
        return 200, self._find(_SINGULAR[type_.rpartition("/")[2]], name)

    def _get_tables(self) -> tuple[int, Any]:
        return 200, {"data": list(self.entities.get("table", {}).values())[:1]}

    def _put_service(self, body: Any, kind: str) -> tuple[int, Any]:
        before = self.entities.get(_SINGULAR[kind], {}).get(body["name"])
        if before and before.get("connection") and not body.get("connection"):
            type_ = body["serviceType"]
            raise _No(
                400,
                f"InvalidServiceConnectionException for service [{type_}] due to"
                f" [Failed to unmask connection instance of {type_}].",
            )
        return self._upsert(_SINGULAR[kind], body["name"], body)

    def _put_databases(self, body: Any) -> tuple[int, Any]:
        self._find("databaseService", body["service"])
        return self._upsert("database", f"{body['service']}.{_quoted(body['name'])}", body)

    def _put_schemas(self, body: Any) -> tuple[int, Any]:
        self._find("database", body["database"])
        return self._upsert("databaseSchema", f"{body['database']}.{_quoted(body['name'])}", body)

    def _put_tables(self, body: Any) -> tuple[int, Any]:
        if self.recorded:
            _only(body, _TABLE, "api.data.CreateTable")
        self._words(body)
        if body.get("columns") is None:
            raise _No(400, "[columns must not be null]")
        self._find("databaseSchema", body["databaseSchema"])
        fqn = f"{body['databaseSchema']}.{_quoted(body['name'])}"
        _check_columns(body["columns"])
        columns = _qualified(body["columns"], fqn)
        return self._upsert("table", fqn, {**body, "columns": columns})

    def _words(self, body: Any) -> None:
        for name in ("owners", "schemaDefinition") if self.old else ("owner", "viewDefinition"):
            if name in body and not (self.version.startswith("1.4") and name == "schemaDefinition"):
                raise _No(400, f'Unrecognized field "{name}" (class org.openmetadata.schema.api.data.Create)')

    def _put_containers(self, body: Any) -> tuple[int, Any]:
        self._words(body)
        self._find("storageService", body["service"])
        return self._upsert("container", f"{body['service']}.{_quoted(body['name'])}", body)

    def _put_classifications(self, body: Any) -> tuple[int, Any]:
        return self._upsert("classification", _quoted(body["name"]), body)

    def _put_tags(self, body: Any) -> tuple[int, Any]:
        self._find("classification", body["classification"])
        return self._upsert("tag", f"{body['classification']}.{_quoted(body['name'])}", body)

    def _put_pipelines(self, body: Any) -> tuple[int, Any]:
        self._words(body)
        self._find("pipelineService", body["service"])
        return self._upsert("pipeline", f"{body['service']}.{_quoted(body['name'])}", body)

    def _put_status(self, body: Any, name: str) -> tuple[int, Any]:
        pipeline = self._find("pipeline", name)
        if body.get("timestamp") is None:
            raise _No(400, "[timestamp must not be null]")
        tasks = {task["name"] for task in pipeline.get("tasks", [])}
        for task in body.get("taskStatus", []):
            if task["name"] not in tasks:
                raise _No(400, f"Invalid task name {task['name']}")
        self.statuses[name, body["timestamp"]] = body
        return 200, pipeline

    def _put_lineage(self, body: Any) -> tuple[int, Any]:
        edge = body.get("edge")
        if edge is None:
            raise _No(400, "[edge must not be null]")
        for end in ("fromEntity", "toEntity"):
            if edge.get(end) is None:
                raise _No(400, f"[{end} must not be null]")
        details = edge.get("lineageDetails") or {}
        if self.recorded and details.get("source") == "OpenLineage":
            raise _cannot("type.LineageDetails$Source", "OpenLineage")
        ends = [self._by_id(edge[end]) for end in ("fromEntity", "toEntity")]
        if details.get("pipeline"):
            self._by_id(details["pipeline"])
        columns = details.get("columnsLineage") or []
        if columns and {edge["fromEntity"]["type"], edge["toEntity"]["type"]} != {"table"}:
            raise _No(400, "Column level lineage is only allowed between two tables or from table to dashboard.")
        for pair in columns:
            for name in [*pair.get("fromColumns", []), pair.get("toColumn")]:
                self._column(name)
        if "\x00" in details.get("sqlQuery", ""):
            raise _No(500, "An exception with message [ERROR: unsupported Unicode escape sequence] was thrown")
        self.edges[ends[0]["id"], ends[1]["id"]] = details
        return 200, None

    def _delete_lineage(self, _source_type: str, source: str, _target_type: str, target: str) -> tuple[int, Any]:
        if self.edges.pop((source, target), None) is None:
            raise _No(404, "Lineage edge not found")
        return 200, None

    def _put_definitions(self, body: Any) -> tuple[int, Any]:
        if body.get("description") is None:
            raise _No(400, "[description must not be null]")
        for platform in body["testPlatforms"]:
            if platform not in {"OpenMetadata", "GreatExpectations", "DBT", "Deequ", "Soda", "Other"}:
                raise _cannot("tests.TestPlatform", platform)
        return self._upsert("testDefinition", body["name"], body)

    def _put_executable(self, body: Any) -> tuple[int, Any]:
        if not self.old:
            raise _router(404, "Not Found")
        _only(body, _SUITE, "api.tests.CreateTestSuite")
        self._find("table", body["executableEntityReference"])
        return self._upsert("testSuite", body["name"], body)

    def _post_executable(self, body: Any) -> tuple[int, Any]:
        if self.old:
            _only(body, _SUITE, "api.tests.CreateTestSuite")
            self._find("table", body["executableEntityReference"])
            taken = {one.get("executableEntityReference") for one in self.entities.get("testSuite", {}).values()}
            if body["executableEntityReference"] in taken:
                raise _No(409, "Entity already exists")
        return self._put_executable(body)

    def _post_basic(self, body: Any) -> tuple[int, Any]:
        if self.old and not self.recorded:
            raise _No(405, "Method Not Allowed")  # as REST has it; 1.2's 500 is below
        if self.old:
            raise _router(405, "Method Not Allowed")
        self._find("table", body["basicEntityReference"])
        if body["name"] in self.entities.get("testSuite", {}):
            raise _No(409, "Entity already exists")
        return self._upsert("testSuite", body["name"], body)

    def _put_cases(self, body: Any) -> tuple[int, Any]:
        if self.old and body.get("testSuite") is None:
            raise _No(400, "[testSuite must not be null]")
        if not _LINK.match(body["entityLink"]):
            raise _No(400, '[entityLink must match "^(?U)<#E::\\w+::[\\w\'\\- .&/:+"\\\\()$#%]+>$"]')
        parts = body["entityLink"].strip("<>").split("::")
        table = self._find("table", parts[2])
        self._find("testDefinition", body["testDefinition"])
        if self.old:
            suite = self._find("testSuite", body["testSuite"])
            if not suite.get("executableEntityReference"):
                raise _No(
                    400,
                    f"Test suite {body['testSuite']} is not executable."
                    " Cannot create test cases for non-executable test suites.",
                )
        inside = f".{_quoted(parts[4])}" if len(parts) > 4 else ""
        return self._upsert("testCase", f"{table['fullyQualifiedName']}{inside}.{_quoted(body['name'])}", body)

    def _put_result(self, body: Any, name: str) -> tuple[int, Any]:
        if not self.old:
            raise _router(404, "Not Found")
        _only(body, _RESULT, "tests.type.TestCaseResult")
        return self._result(name, body)

    def _post_result2(self, body: Any, name: str) -> tuple[int, Any]:
        if self.old:
            raise _router(404, "Not Found")
        return self._result(name, body)

    def _put_suites(self, body: Any) -> tuple[int, Any]:
        return self._upsert("testSuite", body["name"], body)

    def _result(self, name: str, body: Any) -> tuple[int, Any]:
        if body["testCaseStatus"] not in {"Success", "Failed", "Aborted"}:
            raise _cannot("tests.type.TestCaseStatus", body["testCaseStatus"])
        self._find("testCase", name)
        if (name, body["timestamp"]) in self.results:
            raise _No(409, "Entity already exists")
        self.results[name, body["timestamp"]] = body
        return 201, {"eventType": "entityUpdated"}

    def _upsert(self, type_: str, fqn: str, body: dict[str, Any]) -> tuple[int, Any]:
        known = self.entities.setdefault(type_, {})
        before = known.get(fqn)
        id_ = before["id"] if before else str(uuid.uuid4())
        known[fqn] = {**body, "id": id_, "fullyQualifiedName": fqn}
        if before and before.get("description"):
            known[fqn]["description"] = before["description"]  # what a bot sends does not replace a description
        return (200 if before else 201), known[fqn]

    def _find(self, type_: str, name: str) -> dict[str, Any]:
        found = self.entities.get(type_, {}).get(name)
        if found is None:
            raise _No(404, f"{type_} instance for {name} not found")
        return found

    def _by_id(self, reference: dict[str, Any]) -> dict[str, Any]:
        type_, id_ = reference["type"], reference["id"]
        if type_ not in _SINGULAR.values():
            raise _No(404, f"Entity repository for {type_} not found. Is the ENTITY_TYPE_MAP initialized?")
        try:
            uuid.UUID(id_)
        except ValueError:
            raise _No(400, f'Cannot deserialize value of type `java.util.UUID` from String "{id_}"') from None
        for entity in self.entities.get(type_, {}).values():
            if entity["id"] == id_:
                return entity
        raise _No(404, f"{type_} instance for {id_} not found")

    def _column(self, name: str | None) -> None:
        parts = re.findall(r'"[^"]*"|[^.]+', name or "")
        tables = self.entities.get("table", {})
        if any(name in _all_names(table["columns"]) for table in tables.values()):
            return
        if len(parts) > 4 and ".".join(parts[:4]) not in tables:
            raise _No(404, f"table instance for {'.'.join(parts[:4])} not found")
        raise _No(400, f"Invalid fully qualified column name {'null' if name is None else name}")


_SINGULAR = {
    "databaseServices": "databaseService", "pipelineServices": "pipelineService", "storageServices": "storageService",
    "databases": "database", "databaseSchemas": "databaseSchema", "tables": "table", "containers": "container",
    "pipelines": "pipeline", "users": "user", "teams": "team", "testSuites": "testSuite",
}  # fmt: skip
_ROUTES = [
    ("/system/version", "version"),
    ("/services/(databaseServices|pipelineServices|storageServices)", "service"),
    ("/services/(databaseServices|pipelineServices|storageServices)/name/([^/]+)", "named"),
    ("/(tables|pipelines|databases|users|teams)/name/([^/]+)", "named"),
    ("/databases", "databases"),
    ("/databaseSchemas", "schemas"),
    ("/tables", "tables"),
    ("/containers", "containers"),
    ("/classifications", "classifications"),
    ("/tags", "tags"),
    ("/pipelines", "pipelines"),
    ("/pipelines/([^/]+)/status", "status"),
    ("/lineage", "lineage"),
    ("/lineage/([^/]+)/([^/]+)/([^/]+)/([^/]+)", "lineage"),
    ("/dataQuality/testDefinitions", "definitions"),
    ("/dataQuality/testSuites", "suites"),
    ("/dataQuality/testSuites/executable", "executable"),
    ("/dataQuality/testSuites/basic", "basic"),
    ("/dataQuality/testCases", "cases"),
    ("/dataQuality/testCases/testCaseResults/([^/]+)", "result2"),
    ("/dataQuality/testCases/([^/]+)/testCaseResult", "result"),
]


def _read(request: Request) -> Any:
    if request.headers.get("Content-Type") != "application/json":
        raise _router(415, "Unsupported Media Type")
    try:
        return request.json()
    except ValueError as problem:
        raise _No(400, str(problem)) from None


def _only(body: dict[str, Any], known: set[str], what: str) -> None:
    for name in body:
        if name not in known:
            raise _No(
                400,
                f'Unrecognized field "{name}" (class org.openmetadata.schema.{what}),'
                f" not marked as ignorable ({len(known)} known properties)",
            )


def _check_columns(columns: list[dict[str, Any]]) -> None:
    names = [column["name"] for column in columns]
    for column in columns:
        type_ = column["dataType"]
        if type_ not in _TYPES:
            raise _cannot("type.ColumnDataType", type_)
        if names.count(column["name"]) > 1:
            raise _No(400, f"Column name {column['name']} is repeated")
        if type_ in {"CHAR", "VARCHAR", "BINARY", "VARBINARY"} and column.get("dataLength") is None:
            raise _No(400, "For column data types char, varchar, binary, varbinary dataLength must not be null")
        if type_ == "ARRAY" and column.get("arrayDataType") is None:
            raise _No(400, "For column data type array, arrayDataType must not be null")
        if type_ == "STRUCT" and column.get("children") is None:
            raise _No(400, "For column data type struct, children must not be null")
        _check_columns(column.get("children", []))


def _qualified(columns: list[dict[str, Any]], above: str) -> list[dict[str, Any]]:
    found = []
    for column in columns:
        fqn = f"{above}.{_quoted(column['name'])}"
        children = {"children": _qualified(column["children"], fqn)} if "children" in column else {}
        found.append({**column, "fullyQualifiedName": fqn, **children})
    return found


def _all_names(columns: list[dict[str, Any]]) -> Iterator[str]:
    for column in columns:
        yield column["fullyQualifiedName"]
        yield from _all_names(column.get("children", []))


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


@contextmanager
def fake_openmetadata(version: str = "1.2.0-SNAPSHOT") -> Iterator[tuple[FakeOpenMetadata, FaultyServer]]:
    fake = FakeOpenMetadata(version)
    server = FaultyServer(fake)
    server.start()
    try:
        yield fake, server
    finally:
        server.stop()
