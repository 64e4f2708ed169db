"""PIVOT and UNPIVOT: rows made columns, and columns made rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from lakehold.lineage.columns.sql_expression import Expressions
from lakehold.lineage.columns.sql_scope import Relation, Scope
from lakehold.lineage.columns.sql_value import NOTHING, joined

_UNKNOWN = "which columns a PIVOT gives depends on columns that are not known"


def pivoted(pivot: exp.Pivot, relation: Relation, scope: Scope, expressions: Expressions) -> Relation:
    """Return what a PIVOT or UNPIVOT makes of a relation whose columns are all known."""
    if relation.rest is not None or len(pivot.args.get("fields") or []) != 1:
        return Relation((), relation.rows, _UNKNOWN)
    inside = Scope(scope.environment)
    inside.add(("",), relation)
    made = (
        _unpivoted(pivot, relation, inside, expressions)
        if pivot.unpivot
        else _pivoted(pivot, relation, inside, expressions)
    )
    alias = pivot.args.get("alias")
    return made.renamed([column.name for column in alias.columns]) if alias else made


def _pivoted(pivot: exp.Pivot, relation: Relation, inside: Scope, expressions: Expressions) -> Relation:
    """A column for each value and aggregate; the columns that neither names are what the rows are grouped by."""
    field, names = pivot.args["fields"][0], [column.name for column in pivot.args.get("columns") or []]
    aggregates = pivot.expressions
    if len(names) != len(field.expressions) * len(aggregates):
        return Relation((), relation.rows, _UNKNOWN)
    used = _columns_of([*aggregates, field.this])
    groups = [(name, value) for name, value in relation.columns if name.lower() not in used]
    decides = expressions.value(field.this, inside).deciding("CONDITIONAL")
    values = [joined([expressions.projected(aggregate, inside), decides]) for aggregate in aggregates]
    made = [(name, values[at % len(values)]) for at, name in enumerate(names)]
    rows = joined([relation.rows, joined(value for _, value in groups).deciding("GROUP_BY")])
    return Relation((*groups, *made), rows)


def _unpivoted(pivot: exp.Pivot, relation: Relation, inside: Scope, expressions: Expressions) -> Relation:
    """The columns that are not unpivoted, one with the name of the column a row came from, and one with its value."""
    field = pivot.args["fields"][0]
    items = [item.this if isinstance(item, exp.PivotAlias) else item for item in field.expressions]
    used = _columns_of(items)
    kept = [(name, value) for name, value in relation.columns if name.lower() not in used]
    names = [part.name for first in pivot.expressions for part in (_tuple(first))]
    rows_of = [_tuple(item) for item in items]
    if any(len(row) != len(names) for row in rows_of):
        return Relation((), relation.rows, _UNKNOWN)
    made = [(name, joined(expressions.value(row[at], inside) for row in rows_of)) for at, name in enumerate(names)]
    return Relation((*kept, (field.this.name, NOTHING), *made), relation.rows)


def _tuple(node: exp.Expr) -> list[exp.Expr]:
    return node.expressions if isinstance(node, exp.Tuple) else [node]


def _columns_of(nodes: Iterable[exp.Expr]) -> set[str]:
    return {column.name.lower() for node in nodes for column in node.find_all(exp.Column)}
