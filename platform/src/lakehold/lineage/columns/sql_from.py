"""FROM: tables, subqueries, joins, unnested arrays and table functions as rows one can select from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from lakehold.lineage.columns.sql_expression import Expressions
from lakehold.lineage.columns.sql_generators import generated
from lakehold.lineage.columns.sql_names import Budget, Tables, parts_of
from lakehold.lineage.columns.sql_pivot import pivoted
from lakehold.lineage.columns.sql_scope import Environment, Relation, Scope, Unreadable, rest_of
from lakehold.lineage.columns.sql_value import NOTHING, TRANSFORMATION, Value, joined, unknown

_HIDDEN_SIDES = ("SEMI", "ANTI")


class Sources:
    """Reads what a SELECT selects from."""

    def __init__(
        self,
        tables: Tables,
        expressions: Expressions,
        query: Callable[[exp.Expr, Environment], Relation],
        budget: Budget,
    ) -> None:
        self._tables = tables
        self._expressions = expressions
        self._query = query
        self._budget = budget
        self._joined = budget.joined

    def fill(self, select: exp.Expr, scope: Scope) -> Value:
        """Put what a query selects from into its scope; return what decides about the rows."""
        rows = []
        if origin := select.args.get("from_"):
            rows.append(self.add(origin.this, scope))
        rows += [self._join(join, scope) for join in select.args.get("joins") or []]
        rows += [self.add(lateral, scope) for lateral in select.args.get("laterals") or []]
        return self._joined(rows)

    def add(self, node: exp.Expr, scope: Scope, *, shown: bool = True) -> Value:
        """Add one item of a FROM; return what decides about its rows."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.args.get("alias"):
            relation = Relation((), self.add(node.this, scope, shown=shown))
        else:
            relation = self.relation(node, scope)
            scope.add(self._names(node, scope), relation, shown=shown)
        self._budget.spend(1 + len(relation.columns))
        inner = [self._join(join, scope) for join in node.args.get("joins") or []]
        inner += [self.add(lateral, scope) for lateral in node.args.get("laterals") or []]
        return self._joined([relation.rows, *inner])

    def _names(self, node: exp.Expr, scope: Scope) -> tuple[str, ...]:
        """What qualifies the columns of an item of a FROM: its alias, or the whole name of a table."""
        pivots = node.args.get("pivots") or [node]
        alias = pivots[-1].args.get("alias") or node.args.get("alias")
        if alias and alias.name:
            return (alias.name,)
        if not isinstance(node, exp.Table) or isinstance(node.this, exp.Func):
            return ("",)
        parts = parts_of(node)
        if len(parts) == 1 and parts[0].lower() in scope.environment.ctes:
            return (parts[0],)
        whole = (self._tables.catalog, self._tables.schema)
        return (*whole[: max(0, 3 - len(parts))], *parts)

    def relation(self, node: exp.Expr, scope: Scope) -> Relation:
        """Return the rows of one item of a FROM, with the names it gives them."""
        relation = self._bare(node, scope)
        for pivot in node.args.get("pivots") or []:
            relation = pivoted(pivot, relation, scope, self._expressions)
        if isinstance(node, (exp.Unnest, exp.Lateral)):
            return relation
        alias = node.args.get("alias")
        return relation.renamed([column.name for column in alias.columns]) if alias else relation

    def _bare(self, node: exp.Expr, scope: Scope) -> Relation:
        if isinstance(node, exp.Table):
            return self._table(node, scope)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):  # (a JOIN b ON …)
            inside = Scope(scope.environment)
            rows = self.add(node.this, inside)
            return Relation(tuple(inside.output), rows, rest_of(inside.rests))
        if isinstance(node, exp.Unnest):
            return self._unnest(node, scope)
        if isinstance(node, exp.Lateral):
            return self._lateral(node, scope)
        if isinstance(node, (exp.Query, exp.Values)):
            return self._query(node, scope.environment)
        return Relation((), rest=f"what {type(node).__name__} gives is not known")

    def _table(self, node: exp.Table, scope: Scope) -> Relation:
        if isinstance(node.this, exp.Func):
            return self._function(node.this, scope)
        parts = parts_of(node)
        if len(parts) == 1 and (cte := scope.environment.ctes.get(parts[0].lower())):
            return cte
        return self._tables.relation(node)

    def _function(self, function: exp.Func, scope: Scope) -> Relation:
        """A function in FROM: of numbers (no sources), of a row's own array, or not to be known."""
        call = function.expressions[0] if function.name.lower() == "table" and function.expressions else function
        if call.name.lower() == "identifier" and [part.is_string for part in call.expressions] == [True]:
            return self._tables.relation(exp.to_table(call.expressions[0].name, dialect=self._tables.dialect))
        if isinstance(call, exp.GenerateSeries) or call.name.lower() in ("range", "sequence"):
            return Relation((("id" if self._tables.dialect == "spark" else "sequential_number", NOTHING),))
        return generated(call, self._expressions.value, scope, [])

    def _unnest(self, node: exp.Unnest, scope: Scope) -> Relation:
        """``UNNEST(a, b) WITH ORDINALITY AS t (x, y, n)``: a map gives two columns, an array of rows many."""
        alias = node.args.get("alias")
        names = [column.name for column in alias.columns] if alias else []
        values = [self._expressions.value(part, scope).derived(TRANSFORMATION) for part in node.expressions]
        offset = node.args.get("offset")
        position = [(offset.name if isinstance(offset, exp.Expr) else "", NOTHING)] if offset else []
        if len(values) == 1:
            made = tuple((name, values[0]) for name in names)
            return Relation((*made, *position)) if names else Relation((), rest=values[0])
        if len(values) == len(names):
            return Relation((*zip(names, values, strict=True), *position))
        reason = unknown("which of the unnested values a column is of depends on their types")
        return Relation((*((name, reason) for name in names), *position))

    def _lateral(self, node: exp.Lateral, scope: Scope) -> Relation:
        alias = node.args.get("alias")
        names = [column.name for column in alias.columns] if alias else []
        if isinstance(node.this, exp.Query):
            return self._query(node.this, scope.inside()).renamed(names)
        if isinstance(node.this, exp.Unnest):
            return self._unnest(node.this, scope).renamed(names)
        return generated(node.this, self._expressions.value, scope, names)

    def _join(self, join: exp.Join, scope: Scope) -> Value:
        self._budget.spend(len(scope.output) // 8)
        left = Scope(scope.environment, list(scope.output), list(scope.named), list(scope.rests))
        hidden = join.kind in _HIDDEN_SIDES
        rows = self.add(join.this, scope, shown=not hidden)
        right = scope.named[-1][1] if hidden else _added(left, scope)
        if join.method == "NATURAL":
            names = _natural(left, right)
        else:
            names = [name.name for name in join.args.get("using") or []]
        decides = [rows]
        if names:
            decides.append(self._using(names, left, right, join, scope))
        if condition := join.args.get("on"):
            inside = _with_hidden(scope, right) if hidden else scope
            decides.append(self._expressions.value(condition, inside).deciding("JOIN"))
        return self._joined(decides)

    def _using(self, names: Sequence[str], left: Scope, right: Relation, join: exp.Join, scope: Scope) -> Value:
        """Show the columns of USING once and first, and return what they decide."""
        self._budget.spend(3 * len(scope.output))
        pairs = []
        for name in names:
            ours = left.resolve([name])[0]
            theirs = right.find(name) or unknown(f"{name} of USING is not known")
            pairs.append((name, ours, theirs))
        if join.kind not in _HIDDEN_SIDES:
            lower = {name.lower() for name in names}
            rest = [(own, value) for own, value in scope.output if own.lower() not in lower]
            scope.show([(name, _merged(ours, theirs, join.side)) for name, ours, theirs in pairs] + rest)
        return self._joined(value for _, *both in pairs for value in both).deciding("JOIN")


def _merged(left: Value, right: Value, side: str) -> Value:
    if side == "RIGHT":
        return right
    if side == "FULL":
        return joined([left, right]).derived(TRANSFORMATION)
    return left


def _natural(left: Scope, right: Relation) -> list[str]:
    if left.rests or right.rest is not None:
        raise Unreadable("a NATURAL JOIN of tables whose columns are not known")
    theirs = {name.lower() for name, _ in right.columns}
    return [name for name, _ in left.output if name.lower() in theirs]


def _with_hidden(scope: Scope, right: Relation) -> Scope:
    """The scope of the condition of a semi join, which sees the side that nothing else sees."""
    inside = Scope(scope.environment, [*scope.output, *right.columns], [*scope.named], [*scope.rests])
    if right.rest is not None:
        inside.rests.append(right.rest)
    return inside


def _added(before: Scope, after: Scope) -> Relation:
    """What a join has added to a scope, as one relation."""
    return Relation(tuple(after.output[len(before.output) :]), rest=rest_of(after.rests[len(before.rests) :]))
