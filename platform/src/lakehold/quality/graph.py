"""Walks Great Expectations' graph of metrics, and keeps what of it is known already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from great_expectations.expectations.registry import get_metric_provider

PARTIAL = ("condition", "aggregate_fn", "map")
"""Last parts of names of metrics that are expressions, computed without a query."""


class Known:
    """Put before an engine's class: answers metrics that are known already, and leaves the others to the engine."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.known: dict[Any, Any] = {}
        """Metric id → value."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Return the values of ``metrics_to_resolve`` by metric id."""
        asked = list(metrics_to_resolve)
        answers = {metric.id: self.known[metric.id] for metric in asked if metric.id in self.known}
        rest = [metric for metric in asked if metric.id not in answers]
        if rest:
            answers |= super().resolve_metrics(rest, metrics, runtime_configuration)  # type: ignore[misc]  # the engine's
        return answers


def depending(metric: Any, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return those of ``values`` (by metric id) that ``metric`` depends on, by the name it has for them."""
    return {name: values[one.id] for name, one in metric.metric_dependencies.items() if one.id in values}


def partial(engine: Any, metric: Any, known: Mapping[str, Any]) -> Any:
    """Return the engine's expression for ``metric``, given what it depends on. Raises whatever it raises."""
    provider, function = get_metric_provider(metric.metric_name, engine)
    return function(
        cls=provider,
        execution_engine=engine,
        metric_domain_kwargs=metric.metric_domain_kwargs,
        metric_value_kwargs=metric.metric_value_kwargs,
        metrics=known,
        runtime_configuration={},
    )


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
