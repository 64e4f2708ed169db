"""How a program says, in the summary of the Iceberg snapshot it makes, which task it is a part of; standard library.

    table.append(rows, snapshot_properties=maker.properties("quality.results"))

A commit is durable even when nobody listens to lineage, so what is written there is never lost with an event.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

PARENT, ROOT_PARENT = "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"
"""What our operators tell the command of a task: ``namespace/job/run`` of the task and of its DAG run."""
TASK, ROOT, PROGRAM = "lakehold.task", "lakehold.root", "lakehold.program"
"""Keys of a snapshot's summary."""
_BY_HAND = "lakehold"
_RUN = str(uuid.uuid4())


def properties(program: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what the snapshots of ``program`` say of themselves: its name, its task and its DAG run.

    Without a task, a person has started it: then its own name and one run id for the life of the process stand for it.
    """
    task, root = environ.get(PARENT, ""), environ.get(ROOT_PARENT, "")
    told = {PROGRAM: program, TASK: task or f"{_BY_HAND}/{program}/{_RUN}"}
    return {**told, ROOT: root} if task and root else told
