"""Brings the numbers a suite needs in one statement; Great Expectations still decides every expectation with them.

Great Expectations resolves a graph of metrics round by round: the row count, then conditions, then the counts of rows
that break them, each window function and each query by itself. All these are known before anything is asked, so
:func:`prefetch` walks the same graph, asks for everything in one ``SELECT``, and :class:`OneScanEngine` answers from
that. A metric that is not understood here, or whose part of the statement fails, is left to Great Expectations: slower,
never different. One condition is corrected on both ways: see :meth:`OneScanEngine.with_nan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.registry import get_metric_kwargs, get_metric_provider
from great_expectations.util import convert_to_json_serializable
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validation_graph import ValidationGraph
from sqlalchemy.exc import DBAPIError

from lakehold.quality.graph import PARTIAL, Known, depending, ordered, partial

_UNIQUE = {"column_values.unique.unexpected_count", "compound_columns.unique.unexpected_count"}
_QUERY_COUNT = "unexpected_rows_query.row_count"
_QUERY_ROWS = "unexpected_rows_query.table"
_BETWEEN = "column_values.between.condition"
ROWS = "rows of the batch"
"""Where :attr:`OneScanEngine.known` keeps the row count, whether a rule needs it or not."""


class OneScanEngine(Known, SqlAlchemyExecutionEngine):  # type: ignore[misc]  # Great Expectations is not installed where mypy runs
    """Answers metrics that are known already, and resolves the others as its base does."""

    def __init__(self, *, engine: sa.Engine, columns: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(engine=engine)
        self.columns = columns
        """Name and type of each column; empty leaves them to Great Expectations."""
        self.conditions: dict[str, str] = {}
        """Row-level queries, as Great Expectations is given them → the condition of the rows that break the rule."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Return the values of ``metrics_to_resolve`` by metric id."""
        asked = list(metrics_to_resolve)
        answers = super().resolve_metrics(asked, metrics, runtime_configuration)
        return answers | {one.id: self.with_nan(one, answers[one.id]) for one in asked if one.id in answers}

    def with_nan(self, metric: Any, value: Any) -> Any:
        """Let a NaN break a rule about a range.

        SQLAlchemy writes NOT n <= 10 as n > 10, which NaN is not, so it would be within every range with one end.
        """
        column = metric.metric_domain_kwargs.get("column")
        if metric.metric_name != _BETWEEN or column not in self._fractions():
            return value
        condition, domain, accessor = value
        return sa.or_(condition, sa.func.is_nan(sa.column(column))), domain, accessor

    def _fractions(self) -> set[str]:
        return {column["name"] for column in self.columns if isinstance(column["type"], sa.Float)}


@dataclass
class _Part:
    """A FROM of its own, with the numbers read from it."""

    source: Any
    numbers: list[tuple[Any, Any, Callable[[Any], Any]]] = field(default_factory=list)
    """Metric id, expression, and what the answer becomes."""

    def select(self, name: str) -> Any:
        labelled = [expression.label(f"{name}_{number}") for number, (_, expression, _) in enumerate(self.numbers)]
        query = sa.select(*labelled)
        return query if self.source is None else query.select_from(self.source)


def prefetch(engine: OneScanEngine, graph: ValidationGraph) -> None:
    """Learn every number of ``graph`` that can be asked at once."""
    plan = _Plan(engine)
    for metric in ordered(graph):
        plan.consider(metric)
    parts = plan.parts
    selects = [part.select(f"p{number}").subquery(f"p{number}") for number, part in enumerate(parts)]
    source = selects[0]
    for one in selects[1:]:
        source = source.join(one, sa.true())
    statement = sa.select(*(column for one in selects for column in one.c)).select_from(source)
    try:
        row = engine.execute_query(statement).fetchone()
    except (DBAPIError, OSError):
        # One wrong rule fails the whole statement; asked one by one, only that rule fails, with its own message.
        return
    numbers = [number for part in parts for number in part.numbers]
    for (metric, _, becomes), value in zip(numbers, row, strict=True):
        engine.known[metric] = becomes(convert_to_json_serializable(value))
    engine.known |= {rows: [] for rows, count in plan.rows_of.items() if engine.known.get(count) == 0}


def breaking(engine: OneScanEngine, expectation: Any) -> str:
    """Return the SQL condition of the rows that break a row-level ``expectation``."""
    asked = get_metric_kwargs(f"{expectation.map_metric}.unexpected_count", expectation.configuration, {})
    condition = MetricConfiguration(
        f"{expectation.map_metric}.condition", asked["metric_domain_kwargs"], asked["metric_value_kwargs"]
    )
    graph = ValidationGraph(engine)
    graph.build_metric_dependency_graph(condition)
    found, _ = graph.resolve({"catch_exceptions": False}, show_progress_bars=False)
    broken, domain, accessor = found[condition.id]
    filters = _conditions(engine.get_domain_records({**domain, **accessor})) or []
    compiled = sa.and_(broken, *filters).compile(dialect=engine.engine.dialect, compile_kwargs={"literal_binds": True})
    return str(compiled)


class _Plan:
    def __init__(self, engine: OneScanEngine) -> None:
        self._engine = engine
        self._values: dict[Any, Any] = {}
        self.parts = [_Part(engine.get_domain_records({}), [(ROWS, sa.func.count(), _zero)])]
        self.rows_of: dict[Any, Any] = {}

    def consider(self, metric: Any) -> None:
        """Plan for ``metric``, or leave it out."""
        name, last = metric.metric_name, metric.metric_name.rpartition(".")[2]
        if name in ("table.column_types", "table.columns"):
            self._columns(metric)
        elif name in (_QUERY_COUNT, _QUERY_ROWS):
            self._query(metric)
        elif name in _UNIQUE:
            self._duplicates(metric)
        elif last == "filtered_row_count":
            self._add(metric, sa.func.count(), metric.metric_domain_kwargs, _zero)
        else:
            self._computed(metric, last)

    def _columns(self, metric: Any) -> None:
        if not self._engine.columns:
            return
        columns = [dict(column) for column in self._engine.columns]
        value = columns if metric.metric_name == "table.column_types" else [column["name"] for column in columns]
        self._values[metric.id] = self._engine.known[metric.id] = value

    def _computed(self, metric: Any, last: str) -> None:
        _, function = get_metric_provider(metric.metric_name, self._engine)
        known = depending(metric, self._values)
        if function is None:
            if "metric_partial_fn" in known:
                expression, domain, _ = known["metric_partial_fn"]
                self._add(metric, expression, domain, _same)
        elif last in PARTIAL:
            try:
                self._values[metric.id] = self._engine.with_nan(metric, partial(self._engine, metric, known))
            except Exception:  # noqa: BLE001  # whatever it is, Great Expectations meets it again and reports it
                return
        elif (
            last == "unexpected_count"
            and "unexpected_condition" in known
            and "column" not in metric.metric_domain_kwargs
        ):
            condition, domain, accessor = known["unexpected_condition"]
            self._add(metric, sa.func.sum(sa.case((condition, 1), else_=0)), {**domain, **accessor}, _zero)

    def _query(self, metric: Any) -> None:
        text = metric.metric_value_kwargs["unexpected_rows_query"]
        if metric.metric_name == _QUERY_ROWS:
            count = type(metric)(_QUERY_COUNT, metric.metric_domain_kwargs, metric.metric_value_kwargs)
            self.rows_of[metric.id] = count.id
            return
        if text in self._engine.conditions:
            condition = sa.text(f"({_literal(self._engine.conditions[text])})")
            self._add(metric, sa.func.sum(sa.case((condition, 1), else_=0)), metric.metric_domain_kwargs, _zero)
            return
        provider, _ = get_metric_provider(_QUERY_COUNT, self._engine)
        # How Great Expectations itself puts the batch into the query.
        filled = provider._get_substituted_batch_subquery_from_query_and_batch_selectable(
            query=text,
            batch_selectable=self._engine.get_domain_records(metric.metric_domain_kwargs),
            execution_engine=self._engine,
        )
        source = sa.text(filled).columns().subquery(f"q{len(self.parts)}")
        self.parts.append(_Part(source, [(metric.id, sa.func.count(), _zero)]))

    def _duplicates(self, metric: Any) -> None:
        domain = dict(metric.metric_domain_kwargs)
        keys: list[Any] = [sa.column(name) for name in domain.pop("column_list", None) or [domain.pop("column")]]
        domain.pop("ignore_row_if", None)
        records = _from(self._engine.get_domain_records(domain))
        counted = (
            sa.select(sa.func.count().label("times"))
            .select_from(records)
            # A key with a null in it is never a duplicate, in SQL as in Great Expectations' own query.
            .where(*(key.is_not(None) for key in keys))
            .group_by(*keys)
            .having(sa.func.count() > 1)
            .subquery(f"u{len(self.parts)}")
        )
        self.parts.append(_Part(counted, [(metric.id, sa.func.sum(counted.c.times), _zero)]))

    def _add(self, metric: Any, expression: Any, domain: Mapping[str, Any], becomes: Callable[[Any], Any]) -> None:
        records = self._engine.get_domain_records(dict(domain))
        conditions = _conditions(records)
        if conditions is not None and (not conditions or isinstance(expression, sa.sql.functions.FunctionElement)):
            filtered = expression.filter(*conditions) if conditions else expression
            self.parts[0].numbers.append((metric.id, filtered, becomes))
        else:
            self.parts.append(_Part(_from(records), [(metric.id, expression, becomes)]))


def _conditions(records: Any) -> list[Any] | None:
    """Return the conditions under which the batch is ``records``; None when it is more than a filter of the batch."""
    found: list[Any] = []
    while True:
        if isinstance(records, sa.sql.selectable.AliasedReturnsRows):
            records = records.element
        elif isinstance(records, sa.TextualSelect):
            return found  # the text the batch was made of
        elif isinstance(records, sa.Select) and len(records.get_final_froms()) == 1:
            found += [] if records.whereclause is None else [records.whereclause]
            records = records.get_final_froms()[0]
        else:
            return None


def _from(records: Any) -> Any:
    return records.subquery() if isinstance(records, sa.Select | sa.TextualSelect) else records


def _literal(sql: str) -> str:
    """Keep SQLAlchemy from reading ``:name`` in a text as a parameter."""
    return sql.replace(":", "\\:")


def _same(value: Any) -> Any:
    return value


def _zero(value: Any) -> int:
    return int(value or 0)
