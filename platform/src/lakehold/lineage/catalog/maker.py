"""Who made a snapshot, as far as its summary says: pure functions.

Trino writes its query's id, Spark its application's; our own programs, and Spark when one of our tasks has started it,
write the OpenLineage name of the task (:mod:`lakehold.config.ancestry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from lakehold.config.ancestry import PROGRAM, ROOT, TASK, Ancestor
from lakehold.lineage.trino import run_id

QUERY = "trino_query_id"
_APPLICATION = "spark.app.id"
_LONGEST = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """What a snapshot names: a Trino query, a Spark application, a task; each may be missing."""

    query: str = ""
    application: str = ""
    task: Ancestor | None = None
    root: Ancestor | None = None
    program: str = ""

    @property
    def run(self) -> UUID | None:
        """The run of OpenLineage that the snapshot names."""
        if self.query:
            return run_id(self.query)
        try:
            return UUID(self.task.run) if self.task else None
        except ValueError:
            return None

    @property
    def engine(self) -> str:
        """``trino``, ``spark``, one of our programs, or nothing."""
        return "trino" if self.query else "spark" if self.application else self.program


def maker_of(summary: Mapping[str, str]) -> Maker:
    """Read a snapshot's summary."""
    return Maker(
        query=summary.get(QUERY, "")[:_LONGEST],
        application=summary.get(_APPLICATION, "")[:_LONGEST],
        task=Ancestor.read(summary.get(TASK, "")),
        root=Ancestor.read(summary.get(ROOT, "")),
        program=summary.get(PROGRAM, "")[:_LONGEST],
    )
