"""Queries: SELECT, set operations, CTEs and VALUES, read into their columns and what decides about their rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from lakehold.lineage.columns.sql_expression import Expressions
from lakehold.lineage.columns.sql_from import Sources
from lakehold.lineage.columns.sql_generators import generated, is_generator
from lakehold.lineage.columns.sql_names import Budget, Tables
from lakehold.lineage.columns.sql_scope import Environment, Relation, Rest, Scope, Unreadable, reason_of, rest_of
from lakehold.lineage.columns.sql_value import NOTHING, Value, unknown

_ROUNDS = 20
"""How often a recursive CTE is read again until its columns have all their sources."""


class Queries:
    """Reads the queries of one statement."""

    def __init__(self, tables: Tables, budget: Budget) -> None:
        self.tables = tables
        self.expressions = Expressions(tables.dialect, budget, self.relation)
        self.sources = Sources(tables, self.expressions, self.relation, budget)
        self.budget = budget

    def relation(self, query: exp.Expr, environment: Environment) -> Relation:
        """Return what a query gives."""
        self.budget.spend(1)
        environment = self._with(query, environment)
        if isinstance(query, exp.Select):
            return self._select(query, environment)
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query, environment)
        if isinstance(query, exp.Values):
            return self._values(query, environment)
        if isinstance(query, (exp.Subquery, exp.Table)):
            return self._nested(query, environment)
        raise Unreadable(f"a query of a kind that is not supported: {type(query).__name__}")

    def environment(self, statement: exp.Expr) -> Environment:
        """What a writing statement sees: the CTEs before it."""
        return self._with(statement, Environment())

    def _nested(self, query: exp.Expr, environment: Environment) -> Relation:
        """A query in parentheses, or ``TABLE t``: rows as they are, perhaps joined or put in order."""
        if isinstance(query, exp.Subquery) and not isinstance(query.this, exp.Table):
            relation = self.relation(query.this, environment)
        else:
            scope = Scope(environment)
            rows = self.sources.add(query, scope)
            relation = Relation(tuple(scope.output), rows, rest_of(scope.rests))
        return self._ordered(query, relation, environment)

    def _with(self, query: exp.Expr, environment: Environment) -> Environment:
        """What the query sees with the CTEs before it; one that nothing selects from is not read."""
        clause = query.args.get("with_")
        if clause is None:
            return environment
        for function in clause.args.get("udfs") or []:  # it can look at nothing but its arguments
            self.expressions.known.add(function.this.this.name.lower())
        ctes = dict(environment.ctes)
        needed = _needed(query, clause)
        for cte in clause.expressions:
            if cte.alias.lower() in needed:
                before = Environment(dict(ctes), environment.outer)
                read = self._recursive if clause.args.get("recursive") else self._cte
                ctes[cte.alias.lower()] = read(cte, before)
        return Environment(ctes, environment.outer)

    def _cte(self, cte: exp.CTE, environment: Environment) -> Relation:
        return self.relation(cte.this, environment).renamed([column.name for column in cte.args["alias"].columns])

    def _recursive(self, cte: exp.CTE, before: Environment) -> Relation:
        """A CTE that may select from itself: read again with what it gave, until it gives no more."""
        names = [column.name for column in cte.args["alias"].columns]
        first = cte.this
        while isinstance(first, (exp.SetOperation, exp.Subquery)):
            first = first.this
        inside = self._with(cte.this, before)
        relation = self.relation(first, inside).renamed(names)
        for _ in range(_ROUNDS):
            previous = relation
            relation = self._cte(cte, Environment({**before.ctes, cte.alias.lower(): previous}, before.outer))
            if relation == previous:
                return relation
        raise Unreadable("the columns of a recursive query are never complete")

    def _select(self, select: exp.Select, environment: Environment) -> Relation:
        scope = Scope(environment)
        scope.windows = {window.name.lower(): window for window in select.args.get("windows") or []}
        rows = [self.sources.fill(select, scope)]
        if match := select.args.get("match"):
            rows.append(self._matched(match, scope))
        value = self.expressions.value
        if where := select.args.get("where"):
            rows.append(value(where.this, scope).deciding("FILTER"))
        self._windows_of_time(select, scope)
        columns, rest = self._projections(select, scope)
        rows.append(self._grouping(select, columns, scope))
        conditions = [select.args[clause] for clause in ("having", "qualify") if select.args.get(clause)]
        rows += [value(condition.this, scope).deciding("FILTER") for condition in conditions]
        if select.args.get("distinct"):
            rows.append(self.budget.joined(value for _, value in columns).deciding("GROUP_BY"))
        relation = Relation(tuple(columns), self.budget.joined(rows), rest)
        return self._ordered(select, relation, environment, scope)

    def _matched(self, match: exp.Expr, scope: Scope) -> Value:
        """MATCH_RECOGNIZE puts rows of its own in the place of those of FROM; what is in them is not read."""
        reason = "what MATCH_RECOGNIZE gives is not known"
        alias = match.args.get("alias")
        scope.show([])
        scope.named, scope.rests = [], []
        scope.add((alias.name if alias else "",), Relation((), rest=reason))
        return unknown(reason)

    def _projections(self, select: exp.Select, scope: Scope) -> tuple[list[tuple[str, Value]], Rest]:
        columns: list[tuple[str, Value]] = []
        rest: Rest = None
        for item in select.expressions:
            relation = self._item(item, scope)
            columns += relation.columns
            self.budget.spend(len(relation.columns))
            if relation.rest is not None:
                rest = relation.rest if len(select.expressions) == 1 else reason_of(relation)
            for name, value in relation.columns:
                scope.aliases.setdefault(name.lower(), value)
        return columns, rest

    def _item(self, item: exp.Expr, scope: Scope) -> Relation:
        """One item of a select list: a column, or several (``*``, a generator, a script)."""
        inner = item.unalias() if not isinstance(item, exp.Aliases) else item.this
        names = [name.name for name in item.expressions] if isinstance(item, exp.Aliases) else []
        if is_generator(inner):
            names = names or ([item.alias] if item.alias else [])
            relation = generated(inner, self.expressions.value, scope, names)
            # Without a name it is taken for one column, of an array; INSERT says so when it does not fit.
            return Relation((("", relation.rest),)) if isinstance(relation.rest, Value) else relation
        if isinstance(inner, exp.Star):
            return _without(Relation(tuple(scope.output), rest=rest_of(scope.rests)), inner)
        if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
            return self._qualified_star(inner, scope)
        if isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Star):
            return _fields_of(self.expressions.value(inner.this, scope), self.expressions.text(inner.this))
        if isinstance(inner, exp.QueryTransform):
            reason = "it is made by a script"
            schema = inner.args.get("schema")
            made = [(name.name, unknown(reason)) for name in schema.expressions] if schema else []
            return Relation(tuple(made), rest=None if made else reason)
        name = item.alias_or_name if not isinstance(inner, exp.Dot) or item.alias else inner.expression.name
        return Relation(((name, self.expressions.projected(item, scope)),))

    def _qualified_star(self, column: exp.Column, scope: Scope) -> Relation:
        names = [part.name for part in column.parts[:-1]]
        relation = scope.relation(names)
        if relation is None:  # the fields of a row
            return _fields_of(scope.resolve(names)[0], ".".join(names))
        return _without(Relation(relation.columns, rest=relation.rest), column.this)

    def _grouping(self, select: exp.Select, columns: list[tuple[str, Value]], scope: Scope) -> Value:
        group = select.args.get("group")
        if group is None:
            return NOTHING
        if group.args.get("all"):
            items = [item for item in select.expressions if not self.expressions.aggregates(item)]
            values = [value for item in items for _, value in self._item(item, scope).columns]
        else:
            values = [self._key(part, columns, scope) for part in group.iter_expressions()]
        return self.budget.joined(values).deciding("GROUP_BY")

    def _windows_of_time(self, select: exp.Select, scope: Scope) -> None:
        """Spark's ``GROUP BY window(time, '1 hour')`` gives the select list a column ``window``."""
        group = select.args.get("group")
        for node in group.expressions if group else []:
            if isinstance(node, exp.Anonymous) and node.name.lower() in ("window", "session_window"):
                scope.aliases[node.name.lower()] = self.expressions.value(node, scope)

    def _key(self, node: exp.Expr, columns: list[tuple[str, Value]], scope: Scope) -> Value:
        """A key of GROUP BY or ORDER BY: an expression, or the position of a column of the select list."""
        node = node.this if isinstance(node, exp.Ordered) else node
        if isinstance(node, exp.Literal) and node.is_int:
            position = int(node.name) - 1
            return columns[position][1] if 0 <= position < len(columns) else NOTHING
        return self.expressions.value(node, scope)

    def _ordered(
        self, query: exp.Expr, relation: Relation, environment: Environment, inside: Scope | None = None
    ) -> Relation:
        """The relation with what ORDER BY says of its rows; a name means a column of the result before one of FROM."""
        keys = [key for clause in ("order", "sort", "cluster") for key in _keys(query, clause)]
        if not keys:
            return relation
        result = Scope(environment)
        result.add(("",), relation)
        columns = list(relation.columns)
        values = []
        for key in keys:
            node = key.this if isinstance(key, exp.Ordered) else key
            named = isinstance(node, exp.Column) and len(node.parts) == 1
            own = relation.find(node.name) if named else None
            if own is not None and (inside is None or not own.unknown):
                values.append(own)
            else:
                values.append(self._key(key, columns, inside or result))
        return Relation(
            relation.columns,
            self.budget.joined([relation.rows, self.budget.joined(values).deciding("SORT")]),
            relation.rest,
        )

    def _set_operation(self, query: exp.SetOperation, environment: Environment) -> Relation:
        """UNION, INTERSECT and EXCEPT; thousands of them in a row are read without going deeper."""
        operations: list[exp.SetOperation] = []
        first: exp.Expr = query
        while isinstance(first, exp.SetOperation) and (first is query or not _own_clauses(first)):
            operations.append(first)
            first = first.this
        relation = self.relation(first, environment)
        for operation in reversed(operations):
            relation = self._combined(operation, relation, self.relation(operation.expression, environment))
        return self._ordered(query, relation, environment)

    def _combined(self, operation: exp.SetOperation, left: Relation, right: Relation) -> Relation:
        rows = [left.rows, right.rows]
        if operation.args.get("by_name") or left.rest is not None or right.rest is not None:
            return self._by_name(operation, left, right, self.budget.joined(rows))
        if len(left.columns) != len(right.columns):
            raise Unreadable("the sides of a set operation have different numbers of columns")
        everything = self.budget.joined(value for _, value in (*left.columns, *right.columns))
        if not isinstance(operation, exp.Union):
            return Relation(left.columns, self.budget.joined([*rows, everything.deciding("FILTER")]))
        pairs = zip(left.columns, right.columns, strict=True)
        columns = tuple((name, self.budget.joined([value, other])) for (name, value), (_, other) in pairs)
        if operation.args.get("distinct"):
            rows.append(everything.deciding("GROUP_BY"))
        return Relation(columns, self.budget.joined(rows))

    def _by_name(self, operation: exp.SetOperation, left: Relation, right: Relation, rows: Value) -> Relation:
        if not operation.args.get("by_name"):
            reason = reason_of(left if left.rest is not None else right)
            columns = tuple((name, unknown(reason)) for name, _ in left.columns)
            return Relation(columns if left.rest is None else (), rows, None if left.rest is None else reason)
        raise Unreadable("a set operation BY NAME is not supported")

    def _values(self, values: exp.Values, environment: Environment) -> Relation:
        """Rows of literals, which may have a subquery among them."""
        scope = Scope(environment)
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in values.expressions]
        width = max((len(row) for row in rows), default=0)
        at: list[list[Value]] = [[] for _ in range(width)]
        for row in rows:
            for position, part in enumerate(row):
                at[position].append(self.expressions.value(part, scope))
        prefix = "col" if self.tables.dialect == "spark" else "_col"
        start = 1 if self.tables.dialect == "spark" else 0
        relation = Relation(tuple((f"{prefix}{n + start}", self.budget.joined(part)) for n, part in enumerate(at)))
        alias = values.args.get("alias")
        return relation.renamed([column.name for column in alias.columns]) if alias else relation


def _fields_of(row: Value, text: str) -> Relation:
    """``row.*``: every field of a row that is made in the statement."""
    return Relation(tuple(row.fields.items()), rest=None if row.fields else f"the fields of {text} are not known")


def _needed(query: exp.Expr, clause: exp.Expr) -> set[str]:
    """The CTEs that the query selects from, or that those select from."""
    needed = {name for part in query.iter_expressions() if part is not clause for name in _single_names(part)}
    for cte in reversed(clause.expressions):
        if cte.alias.lower() in needed:
            needed |= _single_names(cte)
    return needed


def _single_names(node: exp.Expr) -> set[str]:
    return {table.name.lower() for table in node.find_all(exp.Table) if len(table.parts) == 1}


def _without(relation: Relation, star: exp.Star) -> Relation:
    """``* EXCEPT (a, b)``."""
    if star.args.get("replace") or star.args.get("rename"):
        raise Unreadable("* REPLACE and * RENAME are not supported")
    left_out = {column.name.lower() for column in star.args.get("except_") or []}
    kept = tuple((name, value) for name, value in relation.columns if name.lower() not in left_out)
    rest = reason_of(relation) if relation.rest is not None and left_out else relation.rest
    return Relation(kept, relation.rows, rest)


def _keys(query: exp.Expr, clause: str) -> Iterable[exp.Expr]:
    found = query.args.get(clause)
    return found.expressions if found else ()


def _own_clauses(query: exp.SetOperation) -> bool:
    return any(query.args.get(clause) for clause in ("with_", "order", "limit", "offset"))
