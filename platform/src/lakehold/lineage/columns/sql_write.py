"""Statements that write: CREATE … AS, INSERT, MERGE, UPDATE, DELETE, read into the columns they give their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from lakehold.lineage.columns.sql_query import Queries
from lakehold.lineage.columns.sql_scope import Environment, Relation, Scope, Unreadable, reason_of
from lakehold.lineage.columns.sql_value import NOTHING, TRANSFORMATION, Value, unknown
from lakehold.lineage.model import Table

WRITING = (exp.Create, exp.Insert, exp.Merge, exp.Update, exp.Delete, exp.TruncateTable)
"""The kinds of statements that write."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a statement writes, before it is put as edges."""

    target: Table
    kind: str
    columns: tuple[tuple[str, Value], ...] = ()
    rows: Value = NOTHING
    unknown: str = ""
    """Why columns may be missing altogether."""


class Writes:
    """Reads one writing statement."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._tables = queries.tables
        self._value = queries.expressions.value
        self._joined = queries.budget.joined

    def draft(self, statement: exp.Expr) -> Draft | None:
        """Read a statement of one of the kinds that write."""
        if isinstance(statement, exp.Create):
            return self.create(statement)
        if isinstance(statement, exp.Insert):
            return self.insert(statement)
        if isinstance(statement, exp.Merge):
            return self.merge(statement)
        if isinstance(statement, exp.Update):
            return self.update(statement)
        if isinstance(statement, exp.Delete):
            return self.delete(statement)
        return self.truncate(statement) if isinstance(statement, exp.TruncateTable) else None

    def create(self, statement: exp.Create) -> Draft | None:
        """CREATE TABLE or VIEW; a view of the session, a schema or a function makes nothing that lasts."""
        kind = str(statement.args.get("kind") or "").upper()
        properties = statement.args.get("properties")
        temporary = properties is not None and properties.find(exp.TemporaryProperty, exp.GlobalProperty) is not None
        if kind not in ("TABLE", "VIEW") or temporary:
            return None
        schema = statement.this if isinstance(statement.this, exp.Schema) else None
        target = self._tables.named(schema.this if schema else statement.this)
        draft = Draft(target, "view" if kind == "VIEW" else "create")
        query = statement.args.get("expression")
        if query is None:
            return draft
        relation = self._queries.relation(query, Environment())
        relation = relation.renamed([column.name for column in schema.expressions] if schema else [])
        return self._named_by_query(draft, relation)

    def _named_by_query(self, draft: Draft, relation: Relation) -> Draft:
        """The new table has the query's columns; an unnamed one has the name of its place in the table there is now."""
        if relation.rest is not None:
            named = tuple((name, value) for name, value in relation.columns if name)
            return Draft(draft.target, draft.kind, named, relation.rows, reason_of(relation))
        names = [name for name, _ in relation.columns]
        if not all(names):
            now = self._tables.columns_of(draft.target) or ()
            same = [not name or name.lower() == own.lower() for name, own in zip(names, now, strict=False)]
            names = list(now) if len(now) == len(names) and all(same) else names
        names = [name.lower() for name in names] if self._tables.dialect == "trino" else names
        columns = zip(names, (value for _, value in relation.columns), strict=True)
        kept = tuple((name, value) for name, value in columns if name)
        reason = "" if len(kept) == len(names) else "a column of the query has no name"
        return Draft(draft.target, draft.kind, kept, relation.rows, reason)

    def insert(self, statement: exp.Insert) -> Draft:
        """INSERT INTO and OVERWRITE: by position, by a list of columns, or by name."""
        schema = statement.this if isinstance(statement.this, exp.Schema) else None
        node = schema.this if schema else statement.this
        if not isinstance(node, exp.Table):
            raise Unreadable("an INSERT into something that is no table")
        target, source = self._tables.named(node), statement.args.get("expression") or statement.args.get("source")
        if not isinstance(source, (exp.Query, exp.Values, exp.Table)):
            raise Unreadable("an INSERT of something that is no query")
        relation = self._queries.relation(source, self._queries.environment(statement))
        overwrites = bool(statement.args.get("overwrite"))
        rows = [relation.rows]
        if condition := statement.args.get("where"):  # INSERT INTO … REPLACE WHERE …
            overwrites = True
            rows.append(self._value(condition, self._scope_of(node)).deciding("FILTER"))
        draft = Draft(target, "overwrite" if overwrites else "insert", rows=self._joined(rows))
        if statement.args.get("by_name"):
            return self._by_name(draft, relation)
        given = [column.name for column in schema.expressions] if schema else None
        return self._by_position(draft, relation, given, _static_partition(node))

    def _by_name(self, draft: Draft, relation: Relation) -> Draft:
        names = self._tables.columns_of(draft.target) or ()
        own = {name.lower(): name for name in names}
        columns = tuple((own.get(name.lower(), name), value) for name, value in relation.columns)
        reason = reason_of(relation) if relation.rest is not None else ""
        return Draft(draft.target, draft.kind, columns, draft.rows, reason)

    def _by_position(
        self, draft: Draft, relation: Relation, given: Sequence[str] | None, static: frozenset[str]
    ) -> Draft:
        columns = self._tables.columns_of(draft.target)
        if given is None and columns is None:
            reason = f"the columns of {draft.target.name} are not known"
            return Draft(draft.target, draft.kind, (), draft.rows, reason)
        own = {name.lower(): name for name in columns or ()}
        names = [own.get(name.lower(), name) for name in (given if given is not None else columns or ())]
        names = [name for name in names if name.lower() not in static]
        if relation.rest is not None:
            reason = reason_of(relation)
        elif len(names) != len(relation.columns):
            reason = f"it gives {len(relation.columns)} columns to {len(names)}"
        else:
            values = (value for _, value in relation.columns)
            return Draft(draft.target, draft.kind, tuple(zip(names, values, strict=True)), draft.rows)
        return Draft(draft.target, draft.kind, tuple((name, unknown(reason)) for name in names), draft.rows)

    def merge(self, statement: exp.Merge) -> Draft:
        """MERGE: ON joins, each WHEN filters, and what several of them put into a column is all in it."""
        target = self._tables.named(statement.this)
        scope = self._scope_of(statement.this, self._queries.environment(statement))
        rows = [self._queries.sources.add(statement.args["using"], scope)]
        source = scope.named[1][1]
        rows.append(self._value(statement.args["on"], scope).deciding("JOIN"))
        columns: dict[str, list[Value]] = {}
        reasons: list[str] = []
        for when in statement.args["whens"].expressions:
            if condition := when.args.get("condition"):
                rows.append(self._value(condition, scope).deciding("FILTER"))
            action = when.args["then"]
            if isinstance(action, exp.Update):
                given = self._set(action, target, source, scope)
            elif isinstance(action, exp.Insert):
                given = self._inserted(action, target, source, scope)
            else:
                continue
            if given is None:
                reasons.append(f"the columns of {target.name} are not known")
            for name, value in given or ():
                columns.setdefault(name, []).append(value)
        done = tuple((name, self._joined(values)) for name, values in columns.items())
        return Draft(target, "merge", done, self._joined(rows), reasons[0] if reasons else "")

    def _set(self, action: exp.Expr, target: Table, source: Relation, scope: Scope) -> list[tuple[str, Value]] | None:
        if any(isinstance(part, exp.Star) for part in action.expressions):
            return self._star(target, source)
        return self._assigned(action.expressions, target, scope)

    def _assigned(self, assignments: Sequence[exp.Expr], target: Table, scope: Scope) -> list[tuple[str, Value]]:
        """``SET a = …, t.b = …, t.place.city = …``: the last is a part of the column ``place``."""
        given = []
        for part in assignments:
            if not (isinstance(part, exp.EQ) and isinstance(part.this, (exp.Column, exp.Dot, exp.Identifier))):
                raise Unreadable("an assignment that is not understood")
            name, whole = self._assigned_column(part.this, target, scope)
            value = self._queries.expressions.projected(part.expression, scope)
            given.append((name, value if whole else value.derived(TRANSFORMATION).written(value.text)))
        return given

    def _assigned_column(self, node: exp.Expr, target: Table, scope: Scope) -> tuple[str, bool]:
        names = [part.name for part in (node.parts if isinstance(node, (exp.Column, exp.Dot)) else [node])]
        known = {name.lower(): name for name in self._tables.columns_of(target) or ()}
        qualifiers = scope.named[0][0]
        start = 0
        for length in range(len(names) - 1, 0, -1):
            if tuple(part.lower() for part in names[:length]) == qualifiers[-length:]:
                start = length
                break
        rest = names[start:]
        return known.get(rest[0].lower(), rest[0]), len(rest) == 1

    def _star(self, target: Table, source: Relation) -> list[tuple[str, Value]] | None:
        """``UPDATE SET *`` and ``INSERT *``: every column of the target from the source's of the same name."""
        names = self._tables.columns_of(target)
        if names is None:
            if source.rest is not None:
                return None
            names = [name for name, _ in source.columns]
        return [(name, source.find(name) or NOTHING) for name in names]

    def _inserted(
        self, action: exp.Insert, target: Table, source: Relation, scope: Scope
    ) -> list[tuple[str, Value]] | None:
        """``INSERT (a, b) VALUES (…)``, whose values can only be made of the source."""
        given = action.args.get("expression")
        if isinstance(action.this, exp.Star) or not given:
            return self._star(target, source)
        inside = Scope(scope.environment)
        inside.add(scope.named[1][0], source)
        known = self._tables.columns_of(target)
        own = {name.lower(): name for name in known or ()}
        names = [own.get(part.name.lower(), part.name) for part in action.this.expressions] if action.this else known
        values = given.expressions
        if names is None or len(names) != len(values):
            return None
        return [
            (name, self._queries.expressions.projected(value, inside))
            for name, value in zip(names, values, strict=True)
        ]

    def update(self, statement: exp.Update) -> Draft:
        """UPDATE: the assigned columns, and what decides which rows."""
        if statement.args.get("from_"):
            raise Unreadable("UPDATE … FROM is not supported")
        target = self._tables.named(statement.this)
        scope = self._scope_of(statement.this)
        given = self._assigned(statement.expressions, target, scope)
        return Draft(target, "update", tuple(given), self._where(statement, scope))

    def delete(self, statement: exp.Delete) -> Draft:
        """DELETE: what decides which rows."""
        if statement.args.get("using"):
            raise Unreadable("DELETE … USING is not supported")
        target = self._tables.named(statement.this)
        return Draft(target, "delete", rows=self._where(statement, self._scope_of(statement.this)))

    def truncate(self, statement: exp.TruncateTable) -> Draft:
        """TRUNCATE: every row goes, and nothing decides."""
        return Draft(self._tables.named(statement.expressions[0]), "delete")

    def _where(self, statement: exp.Expr, scope: Scope) -> Value:
        where = statement.args.get("where")
        return self._value(where.this, scope).deciding("FILTER") if where else NOTHING

    def _scope_of(self, node: exp.Table, environment: Environment | None = None) -> Scope:
        """The written table as rows, which counts as read only where the statement uses its columns."""
        before = set(self._tables.read)
        scope = Scope(environment or Environment())
        self._queries.sources.add(node, scope)
        self._tables.read.intersection_update(before)
        return scope


def _static_partition(node: exp.Table) -> frozenset[str]:
    """The columns that ``PARTITION (day = '…')`` gives a value, so that the query does not."""
    partition = node.args.get("partition")
    parts = partition.expressions if partition else []
    return frozenset(part.this.name.lower() for part in parts if isinstance(part, exp.EQ))
