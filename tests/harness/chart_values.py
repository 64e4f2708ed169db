"""The chart, and random values that fit its schema."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from lakehold.cluster.amounts import CIDR
from lakehold.cluster.chart import schema
from lakehold.cluster.objects import quantity

CHART = Path(__file__).resolve().parents[2] / "helm" / "lakehold"
RELEASE, NAMESPACE = "demo", "lake"
TEMPLATE = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.30.0"]
"""Arguments of Helm that render the chart for the oldest Kubernetes it is for."""

_PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
_SCHEMA = schema()
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(rendered: str) -> list[dict[str, Any]]:
    """The objects of a rendered chart; the loader in C, where it is built, takes a tenth of the time."""
    return [one for one in yaml.load_all(rendered, Loader=_LOADER) if one]


def values() -> st.SearchStrategy[dict[str, Any]]:
    """Any part of the values, each as the schema allows it, and what belongs together as the chart wants it."""
    return _of(_SCHEMA).map(_consistent)


def _consistent(some: dict[str, Any]) -> dict[str, Any]:
    # Keys that nobody can draw are in a Secret of its own.
    some.setdefault("secrets", {})["outside"] = "mine"
    if some.get("airflow", {}).get("executor") == "CeleryExecutor":
        some["spark"] = {"executors": 0}
    images = {"image": "example.org/om/server:2", "opensearch": {"image": "example.org/os/opensearch:3"}}
    some["openmetadata"] = {**some.get("openmetadata", {}), **images}
    for server in (some.get("postgres", {}).get("outside", {}), some["openmetadata"].get("database", {})):
        server["ca"] = {"configMap": "ca"} if server.get("sslmode", "").startswith("verify-") else {}
    _fit(some, _defaults())
    return some


@functools.cache
def _defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return defaults


def _fit(some: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Have nothing reserved that is more than the most there is, whichever of the two is a default."""
    for asked, most in (("requests", "limits"), ("request", "limit")):
        if isinstance(defaults.get(asked), dict):
            for what in defaults[asked]:
                _cap(some, (asked, what), (most, what), defaults)
        elif asked in defaults:
            _cap(some, (asked,), (most,), defaults)
    for name, inner in defaults.items():
        if isinstance(inner, dict) and isinstance(some.get(name), dict):
            _fit(some[name], inner)


def _cap(some: dict[str, Any], asked: Sequence[str], most: Sequence[str], defaults: dict[str, Any]) -> None:
    limit = _at(some, most, _at(defaults, most, None))
    if quantity(_at(some, asked, _at(defaults, asked, None))) > quantity(limit):
        for name in asked[:-1]:
            some = some.setdefault(name, {})
        some[asked[-1]] = limit


def _at(node: Any, path: Sequence[str], otherwise: Any) -> Any:
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return otherwise
        node = node[name]
    return node


def _of(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in node:
        return _of(_SCHEMA["definitions"][node["$ref"].rpartition("/")[2]])
    if "anyOf" in node:
        return st.one_of([_of(one) for one in node["anyOf"] if one.get("type") != "null"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return st.one_of([_KINDS[kind](node) for kind in kinds])


def _object(node: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in node:
        known = node.get("propertyNames", {}).get("enum")
        names = st.sampled_from(known) if known else st.from_regex(r"[a-z]{1,8}", fullmatch=True)
        return st.dictionaries(names, st.text(_PRINTABLE, max_size=8), max_size=2)
    # Everything has a default in values.yaml, what is required too.
    return st.fixed_dictionaries({}, optional={key: _of(value) for key, value in node["properties"].items()})


def _array(node: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    if node["items"].get("type") == "object":
        return st.just([{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}])
    return st.lists(_of(node["items"]), max_size=2)


def _string(node: dict[str, Any]) -> st.SearchStrategy[str]:
    if node.get("pattern") == CIDR:
        return _networks()
    if "pattern" in node:
        made = st.from_regex(node["pattern"], fullmatch=True, alphabet=_PRINTABLE)
        return made.filter(lambda text: "\n" not in text and len(text) < 60)
    return st.text(_PRINTABLE, max_size=12)


def _networks() -> st.SearchStrategy[str]:
    """Ranges as they are written: with nothing behind the mask."""
    lengths = st.one_of(*(st.tuples(st.just(v), st.integers(0, bits)) for v, bits in ((4, 32), (6, 64))))
    return lengths.flatmap(
        lambda one: st.ip_addresses(v=one[0]).map(lambda address: str(ip_network((address, one[1]), strict=False)))
    ).filter(lambda text: re.fullmatch(CIDR, text) is not None)


def _integer(node: dict[str, Any]) -> st.SearchStrategy[int]:
    return st.integers(node.get("minimum", 1), node.get("maximum", 60000))


_KINDS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "boolean": lambda _node: st.booleans(),
}
