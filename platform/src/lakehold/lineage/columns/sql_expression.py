"""Expressions: which columns are in the value of one, and which only decide about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from lakehold.lineage.columns.sql_functions import AGGREGATES, HIDDEN_COLUMNS, KNOWN
from lakehold.lineage.columns.sql_names import Budget
from lakehold.lineage.columns.sql_scope import Environment, Relation, Scope, reason_of
from lakehold.lineage.columns.sql_value import (
    AGGREGATION,
    NOTHING,
    TRANSFORMATION,
    Value,
    unknown,
)

_LONGEST_TEXT = 2000
_NOT_IN_THE_VALUE = (exp.Grouping, exp.GroupingId)
"""Functions of the way rows are grouped, not of what is in the column they name."""
_PICKED = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.First, exp.Last)
"""Over a window, these give the value of one other row; only without one do they put rows together."""
_PERCENTILES = (exp.PercentileCont, exp.PercentileDisc, exp.Mode)
"""With WITHIN GROUP (ORDER BY x), the value is made of x."""


class Expressions:
    """Reads the expressions of one statement."""

    def __init__(self, dialect: str, budget: Budget, query: Callable[[exp.Expr, Environment], Relation]) -> None:
        self._dialect = dialect
        self._budget = budget
        self._query = query
        self._joined = budget.joined
        self.known = set(KNOWN[dialect])
        """Functions that are made of their arguments and nothing else, those of the statement itself included."""
        self._handlers: dict[type[exp.Expr], Callable[..., Value]] = {
            exp.Column: self._column,
            exp.Star: self._star,
            exp.Dot: self._dot,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Nvl2: self._if,
            exp.DecodeCase: self._decode,
            exp.Nullif: self._nullif,
            exp.Struct: self._struct,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Window: self._window,
            exp.Filter: self._filter,
            exp.WithinGroup: self._within_group,
            exp.Subquery: self._scalar,
            exp.Select: self._scalar,
            exp.Union: self._scalar,
            exp.In: self._in,
            exp.Exists: self._exists,
            exp.Any: self._exists,
            exp.All: self._exists,
            exp.Anonymous: self._function,
        }

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Return what is in the value of an expression."""
        while isinstance(node, (exp.Paren, exp.Alias)):
            node = node.this
        if handler := self._handler(node):
            return handler(node, scope)
        return self._joined(self._parts(node, scope)).derived(TRANSFORMATION)

    def values(self, nodes: Iterable[exp.Expr], scope: Scope) -> Value:
        """Return what is in any of the expressions."""
        return self._joined([self.value(node, scope) for node in nodes])

    def projected(self, node: exp.Expr, scope: Scope) -> Value:
        """Return the value of a column of a select list, with the SQL that makes it."""
        value = self.value(node, scope)
        inner = node.unalias()
        if isinstance(inner, exp.Column) or not (value.size or value.unknown):
            return value
        return replace(value, text=self.text(inner))

    def text(self, node: exp.Expr) -> str:
        """Write an expression as SQL again; what cannot be written has no text, which is no reason to know nothing."""
        try:
            return node.sql(self._dialect, comments=False, unsupported_level=ErrorLevel.IGNORE)[:_LONGEST_TEXT]
        except (SqlglotError, RecursionError):
            return ""

    def aggregates(self, node: exp.Expr) -> bool:
        """Say whether an expression puts rows together, other than over a window."""
        for found in node.find_all(exp.AggFunc, exp.Anonymous):
            if not isinstance(found.parent, (exp.Window, exp.Filter, exp.IgnoreNulls)) and self._is_aggregate(found):
                return True
        return False

    def _handler(self, node: exp.Expr) -> Callable[..., Value] | None:
        if isinstance(node, exp.AggFunc):
            return self._aggregate
        return self._handlers.get(type(node))

    def _parts(self, node: exp.Expr, scope: Scope) -> Iterator[Value]:
        """Yield the values below a plain expression; with a stack, because people chain thousands of ORs."""
        stack = list(node.iter_expressions())
        while stack:
            self._budget.spend(1)
            part = stack.pop()
            if handler := self._handler(part):
                yield handler(part, scope)
            else:
                stack.extend(part.iter_expressions())

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        if isinstance(node.this, exp.Star):
            relation = scope.relation([part.name for part in node.parts[:-1]])
            return self._joined(value for _, value in relation.columns) if relation else NOTHING
        names = [part.name for part in node.parts]
        if (self._dialect == "trino" and names[-1].startswith("$")) or names[-1].lower() in HIDDEN_COLUMNS:
            found = scope.resolve(names)
            return NOTHING if found[0].unknown or not found[0].direct else found[0]
        value, fields = scope.resolve(names)
        if value.unknown and node.name.upper() == "DEFAULT" and len(names) == 1:  # SET n = DEFAULT
            return NOTHING
        return _field(value, fields)

    def _star(self, _node: exp.Star, scope: Scope) -> Value:
        """``struct(*)``, not ``count(*)``."""
        return self._joined(value for _, value in scope.output).derived(TRANSFORMATION)

    def _dot(self, node: exp.Dot, scope: Scope) -> Value:
        if isinstance(node.expression, exp.Func):  # catalog.schema.function(…)
            return self.value(node.expression, scope)
        return _field(self.value(node.this, scope), [node.expression.name])

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        conditions = [branch.this for branch in node.args["ifs"]]
        results = [branch.args["true"] for branch in node.args["ifs"]]
        return self._chosen([node.this, *conditions], [*results, node.args.get("default")], scope)

    def _if(self, node: exp.If, scope: Scope) -> Value:
        return self._chosen([node.this], [node.args.get("true"), node.args.get("false")], scope)

    def _decode(self, node: exp.DecodeCase, scope: Scope) -> Value:
        """``decode(x, 1, a, 2, b, otherwise)``."""
        first, *pairs = node.expressions
        otherwise = [pairs.pop()] if len(pairs) % 2 else []
        return self._chosen([first, *pairs[::2]], [*pairs[1::2], *otherwise], scope)

    def _nullif(self, node: exp.Nullif, scope: Scope) -> Value:
        return self._chosen([node.expression], [node.this], scope)

    def _chosen(self, conditions: list[exp.Expr | None], results: list[exp.Expr | None], scope: Scope) -> Value:
        decides = self.values([node for node in conditions if node], scope).deciding("CONDITIONAL")
        return self._joined([self.values([node for node in results if node], scope).derived(TRANSFORMATION), decides])

    def _struct(self, node: exp.Struct, scope: Scope) -> Value:
        fields: dict[str, Value] = {}
        values: list[Value] = []
        for part in node.expressions:
            named = isinstance(part, (exp.PropertyEQ, exp.Alias))
            value = self.value(part.expression if isinstance(part, exp.PropertyEQ) else part, scope)
            name = part.this.name if isinstance(part, exp.PropertyEQ) else part.alias_or_name
            if named or isinstance(part, exp.Column):
                fields[name.lower()] = value
            values.append(value)
        return replace(self._joined(values).derived(TRANSFORMATION), fields=fields)

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        """A cast; ``CAST(ROW(a, b) AS ROW(x int, y int))`` is how Trino names the fields of a row."""
        value = self.value(node.this, scope).derived(TRANSFORMATION)
        row, kinds = node.this, node.to.expressions
        named = all(isinstance(kind, exp.ColumnDef) for kind in kinds)
        if isinstance(row, exp.Struct) and named and len(row.expressions) == len(kinds):
            pairs = zip(kinds, row.expressions, strict=True)
            fields = {kind.name.lower(): self.value(part, scope).derived(TRANSFORMATION) for kind, part in pairs}
            return replace(value, fields=fields)
        return value

    def _aggregate(self, node: exp.Expr, scope: Scope) -> Value:
        return self._arguments(node, scope).derived(AGGREGATION)

    def _arguments(self, node: exp.Expr, scope: Scope) -> Value:
        """What goes into an aggregate; what only orders or picks its rows decides."""
        if isinstance(node, _NOT_IN_THE_VALUE):
            return NOTHING
        if isinstance(node, (exp.ArgMax, exp.ArgMin)):
            return self._chosen([node.expression], [node.this], scope)
        values = []
        for part in node.iter_expressions():
            if isinstance(part, exp.Order):
                values.append(self.value(part.this, scope))
                values.append(self.values(part.expressions, scope).deciding("CONDITIONAL"))
            elif not isinstance(part, exp.Star):
                values.append(self.value(part, scope))
        return self._joined(values)

    def _is_aggregate(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Anonymous):
            return node.name.lower() in AGGREGATES[self._dialect]
        return isinstance(node, exp.AggFunc)

    def _window(self, node: exp.Window, scope: Scope) -> Value:
        value = self._windowed(node.this, scope)
        decides = self.values(_window_columns(node, scope), scope)
        return self._joined([value, decides.deciding("WINDOW")])

    def _windowed(self, node: exp.Expr, scope: Scope) -> Value:
        if isinstance(node, (exp.IgnoreNulls, exp.RespectNulls)):
            return self._windowed(node.this, scope)
        if isinstance(node, _PICKED):
            return self._arguments(node, scope).derived(TRANSFORMATION)
        return self.value(node, scope)

    def _filter(self, node: exp.Filter, scope: Scope) -> Value:
        condition = self.value(node.expression.this, scope)
        return self._joined([self.value(node.this, scope), condition.deciding("CONDITIONAL")])

    def _within_group(self, node: exp.WithinGroup, scope: Scope) -> Value:
        order = self.values(node.expression.expressions, scope)
        if isinstance(node.this, _PERCENTILES):
            return self._joined([self.value(node.this, scope), order.derived(AGGREGATION)])
        return self._joined([self.value(node.this, scope), order.deciding("CONDITIONAL")])

    def _scalar(self, node: exp.Query, scope: Scope) -> Value:
        relation = self._query(node, scope.inside())
        value = relation.columns[0][1] if relation.columns else unknown(reason_of(relation))
        return self._joined([value, relation.rows.deciding("CONDITIONAL")])

    def _in(self, node: exp.In, scope: Scope) -> Value:
        own = [self.value(node.this, scope)]
        own += [self.value(part, scope) for part in node.expressions]
        if unnest := node.args.get("unnest"):
            own += list(self._parts(unnest, scope))
        value = self._joined(own).derived(TRANSFORMATION)
        query = node.args.get("query")
        return self._joined([value, self._membership(query, scope)]) if query else value

    def _exists(self, node: exp.Expr, scope: Scope) -> Value:
        query = node.this
        if not isinstance(
            query, exp.Query
        ):  # exists(array, x -> …), like any ('a', 'b'), Spark's any(x > 1) of all rows
            alone = isinstance(node, exp.Any) and not isinstance(node.parent, exp.Binary)
            return self._joined(self._parts(node, scope)).derived(AGGREGATION if alone else TRANSFORMATION)
        if isinstance(node, exp.Exists):
            return self._query(query, scope.inside()).rows.deciding("CONDITIONAL")
        return self._membership(query, scope)

    def _membership(self, query: exp.Expr, scope: Scope) -> Value:
        relation = self._query(query, scope.inside())
        values = [value for _, value in relation.columns] or [unknown(reason_of(relation))]
        return self._joined([*values, relation.rows]).deciding("CONDITIONAL")

    def _function(self, node: exp.Anonymous, scope: Scope) -> Value:
        name = node.name.lower()
        if name in AGGREGATES[self._dialect]:
            return self._aggregate(node, scope)
        value = self._joined([self.value(part, scope) for part in node.expressions]).derived(TRANSFORMATION)
        if name in self.known:
            return value
        reason = f"{node.name} is a function of somebody's own: what else it reads is not known"
        return replace(value, unknown=value.unknown or reason)


def _field(value: Value, fields: Iterable[str]) -> Value:
    """A field of a row: exactly its own value where the row is made in the statement, else taken from the row."""
    for name in fields:
        value = value.fields.get(name.lower()) or value.derived(TRANSFORMATION)
    return value


def _window_columns(node: exp.Window, scope: Scope) -> list[exp.Expr]:
    """The expressions a window is made of, those of the named window it builds on included."""
    found: list[exp.Expr] = []
    seen: set[int] = set()
    window: exp.Expr | None = node
    while window is not None and id(window) not in seen:
        seen.add(id(window))
        found += window.args.get("partition_by") or []
        if order := window.args.get("order"):
            found += order.expressions
        base = window.args.get("alias")
        window = scope.windows.get(base.name.lower()) if base else None
    return found
