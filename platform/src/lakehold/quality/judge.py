"""Lets Great Expectations decide expectations over one batch, on whichever of its engines holds the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.validator.metrics_calculator import MetricsCalculator
from great_expectations.validator.validation_graph import ValidationGraph

EXAMPLES = 5
"""Most rows or values shown for a broken rule."""

_ROW_BY_ROW = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
_EXAMPLES = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What Great Expectations says of one expectation; ``error`` when it could not say."""

    met: bool
    error: str = ""
    rows: int | None = None
    """Rows looked at, where that is known."""
    unexpected: int | None = None
    """Rows that break the rule, where the rule is about rows."""
    result: Mapping[str, Any]


def judge(
    engine: Any, expectations: Mapping[str, Any], prefetch: Callable[[Any, ValidationGraph], None] | None = None
) -> dict[str, Verdict]:
    """Decide each of ``expectations`` (by id) over the engine's active batch.

    ``prefetch`` may give the engine the values of metrics before they are resolved. What is broken is asked again for
    examples.
    """
    verdicts = _decide(engine, expectations, _quick, prefetch)
    broken = {
        name: expectations[name]
        for name, verdict in verdicts.items()
        if not verdict.met and not verdict.error and isinstance(expectations[name], _ROW_BY_ROW)
    }
    if broken:
        verdicts |= _decide(engine, broken, lambda _: _EXAMPLES, None)
    return verdicts


def _quick(expectation: Any) -> Any:
    # Yes or no is enough for a rule about rows: the counts are among the metrics. The others' answer is the number.
    return "BOOLEAN_ONLY" if isinstance(expectation, _ROW_BY_ROW) else "COMPLETE"


def _decide(
    engine: Any,
    expectations: Mapping[str, Any],
    result_format: Callable[[Any], Any],
    prefetch: Callable[[Any, ValidationGraph], None] | None,
) -> dict[str, Verdict]:
    calculator = MetricsCalculator(execution_engine=engine, show_progress_bars=False)
    graphs: dict[str, Any] = {}
    wanted: dict[str, dict[str, Any]] = {}
    for name, expectation in expectations.items():
        settings = {"catch_exceptions": True, "result_format": result_format(expectation)}
        needed = expectation.get_validation_dependencies(execution_engine=engine, runtime_configuration=settings)
        wanted[name] = needed.metric_configurations
        graphs[name] = calculator.build_metric_dependency_graph(needed.get_metric_configurations(), settings)
    whole = ValidationGraph(engine, [edge for graph in graphs.values() for edge in graph.edges])
    if prefetch:
        prefetch(engine, whole)
    metrics, failed = calculator.resolve_validation_graph(whole, {"catch_exceptions": True})
    return {
        name: _verdict(
            engine, expectation, result_format(expectation), wanted[name], metrics, _error(graphs[name], failed)
        )
        for name, expectation in expectations.items()
    }


def _error(graph: ValidationGraph, failed: Mapping[Any, Any]) -> str:
    for edge in graph.edges:
        for metric in (edge.left, edge.right):
            if metric is not None and metric.id in failed:
                return str(failed[metric.id]["exception_info"].exception_message)
    return ""


def _verdict(
    engine: Any, expectation: Any, form: Any, wanted: Mapping[str, Any], metrics: Mapping[Any, Any], error: str
) -> Verdict:
    if error:
        return Verdict(met=False, error=error, result={})
    try:
        outcome = expectation.metrics_validate(
            metrics=metrics, execution_engine=engine, runtime_configuration={"result_format": form}
        )
    except Exception as error:  # noqa: BLE001  # whatever an expectation raises, it has not been decided
        return Verdict(met=False, error=f"{type(error).__name__}: {error}", result={})
    values = {name: metrics[metric.id] for name, metric in wanted.items()}
    rows, unexpected = _counts(expectation, values)
    return Verdict(met=bool(outcome.success), result=outcome.result, rows=rows, unexpected=unexpected)


def _counts(expectation: Any, values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    rows = values.get("table.row_count")
    unexpected = values.get("unexpected_rows_query.row_count")
    if isinstance(expectation, _ROW_BY_ROW):
        unexpected = values.get(f"{expectation.map_metric}.unexpected_count")
    return None if rows is None else int(rows), None if unexpected is None else int(unexpected)
