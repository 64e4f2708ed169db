"""What a value of a statement is made of: which columns are in it and how, and which only decide about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from lakehold.lineage.model import Column

IDENTITY, TRANSFORMATION, AGGREGATION = "IDENTITY", "TRANSFORMATION", "AGGREGATION"
_STRENGTH = {IDENTITY: 0, TRANSFORMATION: 1, AGGREGATION: 2}


@dataclass(frozen=True, slots=True)
class Value:
    """The sources of a column, an expression or a condition.

    Along a path, an aggregate counts more than an expression and an expression more than the bare column; where two
    paths lead from one column, the strongest is kept. What only decides about the value stands beside that.
    """

    direct: Mapping[Column, str] = field(default_factory=lambda: MappingProxyType({}))
    """Column → IDENTITY, TRANSFORMATION or AGGREGATION."""
    indirect: frozenset[tuple[Column, str]] = frozenset()
    text: str = ""
    """The SQL that makes it, where that is more than a column's name."""
    unknown: str = ""
    """Why there may be sources that are not listed; empty when there are none."""
    fields: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    """The values of its fields by lower-case name, where it is a row made in the statement itself."""

    @property
    def size(self) -> int:
        """How many sources it has."""
        return len(self.direct) + len(self.indirect)

    def derived(self, how: str) -> Value:
        """What an expression (or an aggregate) over this value is made of."""
        strength = _STRENGTH[how]
        direct = {column: how if _STRENGTH[old] < strength else old for column, old in self.direct.items()}
        return Value(direct=direct, indirect=self.indirect, unknown=self.unknown)

    def deciding(self, how: str) -> Value:
        """What stands behind something this value decides about: the outermost reason is the one that counts."""
        columns = {*self.direct, *(column for column, _ in self.indirect)}
        return Value(indirect=frozenset((column, how) for column in columns), unknown=self.unknown)

    def written(self, text: str) -> Value:
        """The same value, made by this SQL."""
        return replace(self, text=text)


NOTHING = Value()
"""A literal, a count of rows, the time: what no column is in."""


def unknown(reason: str) -> Value:
    """A value whose sources cannot be known."""
    return Value(unknown=reason)


def of_column(column: Column) -> Value:
    """The bare column."""
    return Value(direct={column: IDENTITY})


def joined(values: Iterable[Value]) -> Value:
    """Everything that is in any of the values; of texts and reasons the first."""
    direct: dict[Column, str] = {}
    indirect: set[tuple[Column, str]] = set()
    text = reason = ""
    for value in values:
        for column, how in value.direct.items():
            if column not in direct or _STRENGTH[direct[column]] < _STRENGTH[how]:
                direct[column] = how
        indirect |= value.indirect
        text = text or value.text
        reason = reason or value.unknown
    return Value(direct=direct, indirect=frozenset(indirect), text=text, unknown=reason)
