"""Which names a part of a statement can use, and what stands behind each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlglot import exp

from lakehold.lineage.columns.sql_value import NOTHING, Value, of_column, unknown
from lakehold.lineage.model import Column, Table


class Unreadable(Exception):  # noqa: N818 - an answer the caller stores, not a failure
    """The statement cannot be read; the message says why."""


Rest = Table | Value | str | None
"""The columns of a relation that are not listed: of this table, all of this value, not to be known (why), or none."""


@dataclass(frozen=True)
class Relation:
    """Rows with named columns: a table, a query, a function."""

    columns: tuple[tuple[str, Value], ...]
    rows: Value = NOTHING
    """What decides which rows there are, how often and in which order."""
    rest: Rest = None

    @cached_property
    def _by_name(self) -> dict[str, list[Value]]:
        return _by_name(self.columns)

    def find(self, name: str) -> Value | None:
        """The column of that name, if there can be one."""
        found = self._by_name.get(name.lower(), ())
        if len(found) > 1:
            return unknown(f"two columns are called {name}")
        return found[0] if found else of_rest(self.rest, name)

    def renamed(self, names: Sequence[str]) -> Relation:
        """The same rows with other names, as in ``AS t (a, b)``."""
        if not names:
            return self
        if self.rest is not None or len(names) > len(self.columns):
            value = self.rest if isinstance(self.rest, Value) else unknown(reason_of(self))
            return Relation(tuple((name, value) for name in names), self.rows)
        values = [value for _, value in self.columns]
        kept = [name for name, _ in self.columns[len(names) :]]
        return Relation(tuple(zip([*names, *kept], values, strict=True)), self.rows)


def _by_name(columns: Iterable[tuple[str, Value]]) -> dict[str, list[Value]]:
    """The values under their names: a statement may ask for thousands of columns out of thousands."""
    found: dict[str, list[Value]] = {}
    for name, value in columns:
        found.setdefault(name.lower(), []).append(value)
    return found


def of_rest(rest: Rest, name: str) -> Value | None:
    """What a name means that is not among a relation's listed columns."""
    if rest is None or isinstance(rest, Value):
        return rest
    return unknown(rest) if isinstance(rest, str) else of_column(Column(rest, name))


@dataclass(frozen=True, slots=True)
class Environment:
    """What a query sees from outside: the CTEs before it, and the row of the query it stands in."""

    ctes: Mapping[str, Relation] = field(default_factory=dict)
    outer: Scope | None = None


@dataclass(slots=True)
class Scope:
    """The names inside one SELECT (or MERGE, UPDATE, DELETE)."""

    environment: Environment
    output: list[tuple[str, Value]] = field(default_factory=list)
    """What ``*`` stands for, in order; the columns of USING once."""
    named: list[tuple[tuple[str, ...], Relation]] = field(default_factory=list)
    """The relations with the names that qualify their columns, lower case: an alias, or catalog, schema and table."""
    rests: list[Table | Value | str] = field(default_factory=list)
    aliases: dict[str, Value] = field(default_factory=dict)
    """The names the select list gives, as far as it has been read."""
    windows: dict[str, exp.Expr] = field(default_factory=dict)
    _index: dict[str, list[Value]] | None = None

    def add(self, names: tuple[str, ...], relation: Relation, *, shown: bool = True) -> None:
        """Add a relation; one that is not shown can only be named (the right side of a semi join)."""
        self.named.append((tuple(name.lower() for name in names), relation))
        if shown:
            self.show([*self.output, *relation.columns])
            if relation.rest is not None:
                self.rests.append(relation.rest)

    def show(self, columns: list[tuple[str, Value]]) -> None:
        """Make these what ``*`` stands for."""
        self.output, self._index = columns, None

    def inside(self) -> Environment:
        """What a subquery of this scope sees from outside."""
        return Environment(self.environment.ctes, self)

    def relation(self, qualifier: Sequence[str]) -> Relation | None:
        """The relation that the qualifier of a column names."""
        wanted = tuple(part.lower() for part in qualifier)
        for names, relation in reversed(self.named):
            if names[-len(wanted) :] == wanted:
                return relation
        return None

    def resolve(self, parts: Sequence[str]) -> tuple[Value, Sequence[str]]:
        """What a dotted name means, and the fields that are left of it: ``t.place.city`` leaves ``city``."""
        found = self._look(parts)
        if found is not None:
            return found
        name = ".".join(parts)
        return unknown(f"no table of the statement is known to have a column {name}"), ()

    def _look(self, parts: Sequence[str]) -> tuple[Value, Sequence[str]] | None:
        for length in range(min(3, len(parts) - 1), 0, -1):
            relation = self.relation(parts[:length])
            value = relation.find(parts[length]) if relation else None
            if value is not None:
                return value, parts[length + 1 :]
        value = self._unqualified(parts[0])
        if value is not None:
            return value, parts[1:]
        return self.environment.outer._look(parts) if self.environment.outer else None

    def _unqualified(self, name: str) -> Value | None:
        if self._index is None:
            self._index = _by_name(self.output)
        found = self._index.get(name.lower(), ())
        if len(found) == 1:
            return found[0]
        if found:
            return unknown(f"{name} could be a column of several tables")
        if alias := self.aliases.get(name.lower()):
            return alias
        if len(self.rests) == 1:
            return of_rest(self.rests[0], name)
        if self.rests:
            return unknown(f"{name} could be a column of several tables whose columns are not known")
        return None


def reason_of(relation: Relation) -> str:
    """Why the columns of a relation are not known."""
    if isinstance(relation.rest, Table):
        return f"the columns of {relation.rest.name} are not known"
    return relation.rest if isinstance(relation.rest, str) else "the names of its columns are not known"


def rest_of(rests: Sequence[Table | Value | str]) -> Rest:
    """The columns that are not listed of several relations side by side."""
    if len(rests) > 1:
        return "the columns of several of its tables are not known"
    return rests[0] if rests else None
