"""Walks Great Expectations' graph of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PARTIAL = ("condition", "aggregate_fn", "map")
"""Last parts of names of metrics that are expressions, computed without a query."""


def ordered(graph: Any) -> Iterator[Any]:
    """Yield every metric once, after the metrics it depends on."""
    seen: set[Any] = set()

    def visit(metric: Any) -> Iterator[Any]:
        if metric.id in seen:
            return
        seen.add(metric.id)
        for dependency in metric.metric_dependencies.values():
            yield from visit(dependency)
        yield metric

    for edge in graph.edges:
        yield from visit(edge.left)
