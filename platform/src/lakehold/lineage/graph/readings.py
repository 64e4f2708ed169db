"""What a run wrote and from what: the engine's own word, its SQL as we read it, and whom of the two we believe."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakehold.lineage.columns import believe, facets, sql
from lakehold.lineage.event import Name, storable
from lakehold.lineage.graph.intervals import Believed
from lakehold.lineage.graph.merge import at, facet
from lakehold.lineage.model import ColumnEdge, Reading, Table

_SHADOW = re.compile(r"__audit_[0-9a-f]{10}\b")
_MOST_REMEMBERED = 500

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """The SQL a run executed, with shadows under the names of their targets."""

    text: str
    dialect: str
    schema: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A table that a run wrote, and what is believed of it."""

    reading: Reading
    by: Mapping[ColumnEdge, Believed]
    first: Believed
    """Whom the inputs are believed of."""
    told: bool
    """Whether anything is known of where it came from, which may be nothing at all."""


@dataclass
class SqlReader:
    """Reads statements, and remembers what it read: jobs run the same ones again and again."""

    catalog: str
    _known: OrderedDict[bytes, Reading | str | None] = field(default_factory=OrderedDict)
    """By a digest of the statement and the columns: both may be long."""

    def read(self, statement: Statement, columns: Columns) -> Reading | str | None:
        """Return what a statement does, why it cannot be read, or None when it writes nothing."""
        key = hashlib.blake2b(repr((statement, columns)).encode(), digest_size=16).digest()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        found = self._read(statement, columns)
        self._known[key] = found
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _read(self, statement: Statement, columns: Columns) -> Reading | str | None:
        dialect: Any = statement.dialect
        try:
            return sql.read(statement.text, dialect, columns, catalog=self.catalog, schema=statement.schema)
        except sql.Unreadable as problem:
            return str(problem)


def statement_of(merged: Mapping[str, Any]) -> Statement | None:
    """Return the SQL of a run, where it is in a dialect we read."""
    found = facets.statement(merged)
    if found is None:
        return None
    text, dialect = found
    schema = facet(merged, "run", "lakehold_query").get("schema")
    return Statement(
        text=_SHADOW.sub("", storable(text)),
        dialect=dialect,
        schema=_SHADOW.sub("", storable(schema)) if isinstance(schema, str) else "default",
    )


def tells_of_writing(merged: Mapping[str, Any]) -> bool:
    """Say whether a run may have written something: it names an output, or has SQL to be read."""
    return bool(merged.get("outputs")) or statement_of(merged) is not None


def written(merged: Mapping[str, Any], resolve: Callable[[str, str], Table], by_sql: Reading | None) -> list[Written]:
    """Return each table a run wrote; by names alone where neither the engine nor the SQL tells more."""
    engine = facets.engine(merged)
    told = {reading.target: reading for reading in facets.read_all(merged, resolve)}
    found: list[Written] = []
    for target, reading in told.items():
        of_sql = by_sql if by_sql is not None and (by_sql.target == target or len(told) == 1) else None
        found.append(_choose(reading, of_sql, engine))
    if not told and by_sql is not None:
        found.append(_choose(None, by_sql, engine))
    return found


def _choose(engines: Reading | None, by_sql: Reading | None, engine: str) -> Written:
    kind = by_sql.kind if by_sql is not None else engines.kind if engines is not None else ""
    chosen = believe.choose(engines, by_sql, engine, kind)
    assert chosen is not None  # noqa: S101 - one of the two is given
    reading = chosen.reading
    if by_sql is None and not reading.edges:
        # Who lists what he read and what he wrote does not say that the one is in the other.
        return Written(
            reading=Reading(
                target=reading.target,
                kind=reading.kind,
                inputs=reading.inputs - {reading.target},
                edges=frozenset(),
                unknown=reading.unknown,
            ),
            by={},
            first="names",
            told=bool(reading.inputs),
        )
    reading = _without_what_stays(chosen.reading)
    by = {edge: chosen.by[edge] for edge in reading.edges}
    told = by_sql is not None or bool(reading.edges or reading.inputs)
    return Written(reading=reading, by=by, first=chosen.first, told=told)


def _without_what_stays(reading: Reading) -> Reading:
    """Leave out that a column stays as it was, and that the table was read when that is all it was read for."""
    left = frozenset(edge for edge in reading.edges if edge.source != edge.target or edge.how != "IDENTITY")
    if left == reading.edges or any(edge.source.table == reading.target for edge in left):
        return replace(reading, edges=left)
    return replace(reading, inputs=reading.inputs - {reading.target}, edges=left)


def raw_names(merged: Mapping[str, Any]) -> Iterator[Name]:
    """Yield every name of a dataset that an event mentions, in its column lineage too."""
    for side in ("inputs", "outputs"):
        for dataset in merged.get(side) or []:
            yield storable(dataset["namespace"]), storable(dataset["name"])
            lineage = at(dataset, "facets", "columnLineage")
            fields = at(lineage, "fields")
            lists = [at(one, "inputFields") for one in fields.values()] if isinstance(fields, dict) else []
            for given in [*lists, at(lineage, "dataset")]:
                for source in given if isinstance(given, list) else ():
                    namespace, name = at(source, "namespace"), at(source, "name")
                    if isinstance(namespace, str) and isinstance(name, str):
                        yield storable(namespace), storable(name)
