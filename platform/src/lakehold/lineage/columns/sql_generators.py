"""Functions that make rows of a row's arrays, maps and texts: explode, inline, stack, json_tuple and their kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from lakehold.lineage.columns.sql_scope import Relation, Scope
from lakehold.lineage.columns.sql_value import NOTHING, TRANSFORMATION, Value, joined

_BY_NAME = frozenset({"json_tuple", "inline_outer", "variant_explode", "variant_explode_outer", "explode_outer"})


def is_generator(node: exp.Expr) -> bool:
    """Say whether an expression of a select list is several columns and rows."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _BY_NAME
    return isinstance(node, (exp.Explode, exp.Inline, exp.Stack))


def generated(
    call: exp.Expr, value: Callable[[exp.Expr, Scope], Value], scope: Scope, names: Sequence[str]
) -> Relation:
    """Return the rows a generator makes, under the names it is given.

    How many columns an exploded value has depends on its type, which a statement does not tell; all of them are made
    of that value, so any name is answered, and only ``*`` is not known.
    """
    if isinstance(call, exp.Stack):
        return _stack(call, value, scope).renamed(names)
    if isinstance(call, exp.JSONTable):
        names = names or [column.name for column in call.args["schema"].expressions]
    if isinstance(call, exp.Posexplode):
        made = value(call.this, scope).derived(TRANSFORMATION)
        return Relation((("pos", NOTHING), ("col", made))).renamed(names) if len(names) < 3 else _of(made, names, 1)
    if isinstance(call, exp.Dot):  # catalog.schema.function(…)
        return generated(call.expression, value, scope, names)
    if not (is_generator(call) or isinstance(call, exp.JSONTable)):
        name = call.name if isinstance(call, exp.Anonymous) else type(call).__name__
        return Relation((), rest=f"what the table function {name.lower()} gives is not known").renamed(names)
    argument = call.expressions[0] if isinstance(call, exp.Anonymous) else call.this
    return _of(value(argument, scope).derived(TRANSFORMATION), names)


def _of(made: Value, names: Sequence[str], positions: int = 0) -> Relation:
    if not names:
        return Relation((), rest=made)
    return Relation(tuple((name, NOTHING if at < positions else made) for at, name in enumerate(names)))


def _stack(call: exp.Stack, value: Callable[[exp.Expr, Scope], Value], scope: Scope) -> Relation:
    """``stack(2, a, b, c, d)``: two rows, (a, b) and (c, d)."""
    if not (isinstance(call.this, exp.Literal) and call.this.is_int and int(call.this.name) > 0):
        return Relation((), rest="how many rows stack makes is not known")
    width = -(-len(call.expressions) // int(call.this.name))
    columns = []
    for column in range(width):
        values = [value(part, scope) for part in call.expressions[column::width]]
        columns.append((f"col{column}", joined(values)))
    return Relation(tuple(columns))
