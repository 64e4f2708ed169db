"""The chart, and random values that fit its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from lakehold.cluster.chart import schema

CHART = Path(__file__).resolve().parents[2] / "helm" / "lakehold"
RELEASE, NAMESPACE = "demo", "lake"
TEMPLATE = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.30.0"]
"""Arguments of Helm that render the chart for the oldest Kubernetes it is for."""

_PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
_SCHEMA = schema()


def values() -> st.SearchStrategy[dict[str, Any]]:
    """Any part of the values, each as the schema allows it."""
    return _of(_SCHEMA)


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
        return st.dictionaries(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(_PRINTABLE, max_size=8), max_size=2
        )
    # Everything has a default in values.yaml, what is required too.
    return st.fixed_dictionaries({}, optional={key: _of(value) for key, value in node["properties"].items()})


def _array(node: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    if node["items"].get("type") == "object":
        return st.just([{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}])
    return st.lists(_of(node["items"]), max_size=2)


def _string(node: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in node:
        made = st.from_regex(node["pattern"], fullmatch=True, alphabet=_PRINTABLE)
        return made.filter(lambda text: "\n" not in text and len(text) < 60)
    return st.text(_PRINTABLE, max_size=12)


def _integer(node: dict[str, Any]) -> st.SearchStrategy[int]:
    return st.integers(node.get("minimum", 1), node.get("maximum", 60000))


_KINDS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "boolean": lambda _node: st.booleans(),
}
