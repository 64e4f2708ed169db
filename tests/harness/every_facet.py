"""An instance of every facet the OpenLineage project's Python package knows, of its new classes and of its old ones."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import uuid
import warnings
from enum import Enum
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
import openlineage.client.generated as generated

NOW = "2013-01-01T05:00:00.123456+00:00"
_TEXTS = {"runId": str(uuid.UUID(int=5)), "eventTime": NOW, "time": NOW, "nominalStartTime": NOW, "nominalEndTime": NOW}
_KEYS = {"sQL": "sql", "processingEngine": "processing_engine", "datasource": "dataSource", "datasetVersion": "version"}
"""Where a facet's key is not its class's name."""


def new_facets(base: type) -> dict[str, Any]:
    """Return facet key → instance, for every generated class of a kind (``RunFacet``, ``JobFacet``, …)."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)
    ]
    return {_key(kind): an_instance(kind) for kind in _subclasses(modules, base)}


def old_facets() -> dict[str, Any]:
    """Return facet key → instance of the classes of specification 1.0, all kinds together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        facet = importlib.import_module("openlineage.client.facet")
    return {_key(kind): an_instance(kind) for kind in _subclasses([facet], facet.BaseFacet)}


def _subclasses(modules: list[ModuleType], base: type) -> list[type]:
    found = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member is not base
    }
    return sorted(found, key=lambda member: member.__name__)


def _key(kind: type) -> str:
    stem = re.sub(r"(Run|Job|InputDataset|OutputDataset|Dataset)?Facet$", "", kind.__name__)
    plain = stem[:1].lower() + stem[1:]
    return _KEYS.get(plain, plain)


def a_value(kind: Any) -> Any:
    """Return some value of a type of the package's classes."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return a_value(arguments[0])
    if origin is list:
        return [a_value(arguments[0])]
    if origin is dict:
        return {"key": a_value(arguments[1])}
    if attr.has(kind):
        return an_instance(kind)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return next(iter(kind))
    return {str: "text", int: 7, float: 0.5, bool: True}.get(kind, "text")


def an_instance(kind: type) -> Any:
    """Return an instance with every required field; :class:`AssertionError` when none can be made."""
    hints = get_type_hints(kind)
    values = {
        field.name: _TEXTS.get(field.name) or ("urn:x" if "ur" in field.name.lower() else a_value(hints[field.name]))
        for field in attr.fields(kind)
        if field.init
        and not field.name.startswith("_")
        and (field.default is attr.NOTHING or attr.has(hints[field.name]))
    }
    try:
        return kind(**values)
    except (TypeError, ValueError) as problem:
        raise AssertionError(f"cannot make a {kind.__name__}: {problem}") from problem
