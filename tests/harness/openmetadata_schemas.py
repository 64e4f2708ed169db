"""OpenMetadata's published JSON schemas (pin openmetadata-spec), by the request they belong to."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator
from lakehold.release.store import Store
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

PIN = "openmetadata-spec"
_BASE = "https://schemas.invalid/"
_REQUESTS = [
    ("PUT /services/databaseServices", "api/services/createDatabaseService.json"),
    ("PUT /services/pipelineServices", "api/services/createPipelineService.json"),
    ("PUT /services/storageServices", "api/services/createStorageService.json"),
    ("PUT /databases", "api/data/createDatabase.json"),
    ("PUT /databaseSchemas", "api/data/createDatabaseSchema.json"),
    ("PUT /tables", "api/data/createTable.json"),
    ("PUT /containers", "api/data/createContainer.json"),
    ("PUT /pipelines", "api/data/createPipeline.json"),
    ("PUT /pipelines/[^/]+/status", "entity/data/pipeline.json#/definitions/pipelineStatus"),
    ("PUT /classifications", "api/classification/createClassification.json"),
    ("PUT /tags", "api/classification/createTag.json"),
    ("PUT /lineage", "api/lineage/addLineage.json"),
    ("PUT /dataQuality/testDefinitions", "api/tests/createTestDefinition.json"),
    ("PUT /dataQuality/testSuites/executable", "api/tests/createTestSuite.json"),
    ("PUT /dataQuality/testCases", "api/tests/createTestCase.json"),
    ("PUT /dataQuality/testCases/[^/]+/testCaseResult", "tests/basic.json#/definitions/testCaseResult"),
]


def errors(method: str, path: str, payload: Any) -> list[str]:
    """Return what the published schema says against a request; :class:`LookupError` when it has none for it."""
    request = f"{method} {urlsplit(path).path.removeprefix('/api/v1')}"
    for pattern, schema in _REQUESTS:
        if re.fullmatch(pattern, request):
            found = _validator(schema).iter_errors(payload)
            return [f"{request} {error.json_path}: {error.message}" for error in found]
    raise LookupError(f"no schema for {request}")


@cache
def _validator(schema: str) -> Draft7Validator:
    checker = Draft7Validator.FORMAT_CHECKER
    return Draft7Validator({"$ref": _BASE + schema}, registry=_registry(), format_checker=checker)


@cache
def _registry() -> Registry[Any]:
    store = Store.default()
    store.ensure([PIN], [])
    root = store.artifact(PIN)
    return Registry().with_resources(
        (_BASE + file.relative_to(root).as_posix(), Resource.from_contents(_read(file), DRAFT7))
        for file in root.rglob("*.json")
    )


def _read(file: Path) -> Any:
    """Read a schema: patterns in Java's dialect and ids that lie about where they are would mislead Python."""
    return _plain(json.loads(file.read_text(encoding="utf-8")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _plain(one) for key, one in value.items() if key != "$id"}
        if isinstance(kept.get("pattern"), str):
            kept["pattern"] = kept["pattern"].replace("(?U)", "")
        return kept
    return [_plain(one) for one in value] if isinstance(value, list) else value
