"""What the graph is made of: tables under their one name, columns, and what one statement or event says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WHOLE = ""
"""The name of the column that stands for a table as a whole: the end of edges that concern every row."""

DIRECT = frozenset({"IDENTITY", "TRANSFORMATION", "AGGREGATION"})
"""How a value becomes another, in OpenLineage's words."""
INDIRECT = frozenset({"JOIN", "FILTER", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL"})
"""How a value decides about others without being in them, in OpenLineage's words."""


@dataclass(frozen=True, order=True, slots=True)
class Table:
    """A table, view or file under its one name.

    A table of the catalog has the catalog's name as its namespace and ``schema.table`` as its name; a file has
    ``s3://bucket`` and its path; what else emitters name keeps their names.
    """

    namespace: str
    name: str


@dataclass(frozen=True, order=True, slots=True)
class Column:
    """A column of a table; :data:`WHOLE` names the table as a whole."""

    table: Table
    name: str


@dataclass(frozen=True, order=True, slots=True)
class ColumnEdge:
    """``source`` has an effect on ``target``; ``how`` is one of :data:`DIRECT` or :data:`INDIRECT`.

    JOIN, FILTER, GROUP_BY and SORT decide about rows, so their target is the table as a whole; WINDOW and CONDITIONAL
    have the column they decide about.
    """

    source: Column
    target: Column
    how: str
    expression: str = ""
    """The SQL that makes the target's value, where it is known and more than the source's name."""

    @property
    def direct(self) -> bool:
        """Whether the source's value is in the target's."""
        return self.how in DIRECT


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement or event says: the table it writes, what it reads, and the edges between their columns."""

    target: Table
    kind: str
    """``create``, ``insert``, ``overwrite``, ``merge``, ``update``, ``delete``, ``view`` or ``write`` (a frame's)."""
    inputs: frozenset[Table]
    edges: frozenset[ColumnEdge]
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Column of the target → why its sources cannot be known (a Python function, say)."""
