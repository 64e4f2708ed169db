"""The one-statement idea of :mod:`lakehold.quality.onescan` on Spark: the aggregates of all rules in one job.

Great Expectations asks Spark for the row count first and for the aggregates after that, a job each. Here both are one
job. Window functions (uniqueness) and queries stay jobs of their own, as in Great Expectations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from great_expectations.core.id_dict import IDDict
from great_expectations.execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.registry import get_metric_provider
from great_expectations.util import convert_to_json_serializable
from great_expectations.validator.validation_graph import ValidationGraph
from pyspark.errors import PySparkException
from pyspark.sql import functions as f

from lakehold.quality.graph import PARTIAL, Known, depending, ordered, partial


class OneJobEngine(Known, SparkDFExecutionEngine):  # type: ignore[misc]  # Great Expectations is not installed where mypy runs
    """Answers metrics that are known already, and resolves the others as its base does."""

    def __init__(self, *, spark: Any) -> None:
        super().__init__(spark=spark, persist=False)
        self.rows: int | None = None


def prefetch(engine: OneJobEngine, graph: ValidationGraph) -> None:
    """Learn every aggregate over the whole frame in one job."""
    whole = IDDict({}).to_id()
    numbers = [(None, f.count(f.lit(1)))]
    numbers += [(metric, expression) for metric, expression, domain in _aggregates(engine, graph) if domain == whole]
    labelled = [expression.alias(f"m{number}") for number, (_, expression) in enumerate(numbers)]
    try:
        (row,) = engine.dataframe.agg(*labelled).collect()
    except PySparkException:
        # One wrong rule fails the whole job; asked one by one, only that rule fails, with its own message.
        return
    engine.rows = int(row[0])
    for (metric, _), value in zip(numbers[1:], row[1:], strict=True):
        engine.known[metric] = convert_to_json_serializable(value)


def _aggregates(engine: OneJobEngine, graph: ValidationGraph) -> Iterable[tuple[Any, Any, Any]]:
    """Yield metric id, expression and domain of what Great Expectations itself would bundle."""
    values: dict[Any, Any] = {}
    for metric in ordered(graph):
        _, function = get_metric_provider(metric.metric_name, engine)
        known = depending(metric, values)
        last = metric.metric_name.rpartition(".")[2]
        if function is None and "metric_partial_fn" in known:
            expression, domain, _ = known["metric_partial_fn"]
            yield metric.id, expression, IDDict(domain).to_id()
        elif last in PARTIAL or metric.metric_name in ("table.columns", "table.column_types"):
            try:
                values[metric.id] = partial(engine, metric, known)
            except Exception:  # noqa: BLE001, S112  # Great Expectations meets it again and reports it
                continue
