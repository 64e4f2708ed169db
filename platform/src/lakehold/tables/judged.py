"""What gates have let pass in a shadow: only that is published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from lakehold.errors import DataError
from lakehold.tables.ledger import Shadow
from lakehold.tables.pointers import Name, Pointer

Judged = Mapping[str, Collection[str]]
"""``schema.table`` → the metadata files of its shadow that gates have let pass."""

NOTHING: Judged = MappingProxyType({})


def refuse_others(shadow: Shadow, judged: Judged, shown: Mapping[Name, Pointer]) -> None:
    """Raise :class:`DataError` when a judged table, as it is ``shown`` in the shadow, is not what any gate has seen."""
    for table, files in sorted(judged.items()):
        target, _, name = table.partition(".")
        schema = shadow.schemas.get(target, target)
        there = shown.get((schema, name))
        if there is None or there.location not in files:
            raise DataError(
                f"{table} is not what the gate has seen; nothing was published.",
                why=f"{schema}.{name} was written, altered or dropped after it",
                remedy="run the gate again (in Airflow: clear its task with what follows), or begin with the clone",
            )
