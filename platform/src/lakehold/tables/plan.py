"""What a publication has to do for each table, decided from what was cloned and what is there now (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehold.errors import DataError
from lakehold.tables.ledger import Clone, Shadow
from lakehold.tables.pointers import Name, Pointer


@dataclass(frozen=True, kw_only=True)
class Step:
    """One table: what the run made of it (``source``), what it was cloned from, and what is published now.

    ``source`` is ``None`` where the run dropped a view, ``base`` for a new table; ``changed`` is false where the run
    wrote nothing, so that only its tag is added to what is published now.
    """

    schema: str
    name: str
    source: Pointer | None
    base: Clone | None
    target: Pointer | None

    @property
    def changed(self) -> bool:
        """Whether the run wrote (or dropped) it."""
        return self.base is None or self.source is None or self.source.location != self.base.clone

    @property
    def full_name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.name}"


def steps(shadow: Shadow, clones: Sequence[Clone], found: Mapping[Name, Pointer]) -> list[Step]:
    """Return a step for every table and view of the shadow, by name; ``found`` has shadows and published schemas."""
    by_name = {(one.target, one.name): one for one in clones}
    planned = []
    for target, name in shadow.schemas.items():
        tables = {table for schema, table in found if schema == name}
        for table in sorted(tables | {one.name for one in clones if one.target == target}):
            step = Step(
                schema=target,
                name=table,
                source=found.get((name, table)),
                base=by_name.get((target, table)),
                target=found.get((target, table)),
            )
            if step.source is None and step.base is not None and step.base.kind != "VIEW":
                raise _gone(step, name, shadow)
            planned.append(step)
    return sorted(planned, key=lambda step: (step.schema, step.name))


def _gone(step: Step, schema: str, shadow: Shadow) -> DataError:
    return DataError(
        f"{schema}.{step.name} is gone, so what the run made of {step.full_name} is not known; nothing was published.",
        why="no engine can drop a clone: its row was taken out of the catalog's database by hand",
        remedy=f"lakehold tables discard '{shadow.run}', then run it again",
    )
