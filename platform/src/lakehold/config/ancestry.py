"""Who started this process: the Airflow task and its DAG run, so that lineage knows for whom a query or job worked.

An operator names them in the environment of its command, in OpenLineage's own variables. From there they go to Spark as
properties of the application, to Trino as client tags of each query, and to Iceberg in the summary of each snapshot: a
commit is durable even when nobody listens to lineage. Only the standard library is used, because every Python
environment of the platform reads this.

    table.append(rows, snapshot_properties=ancestry.snapshot_properties("quality.results"))
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

PARENT, ROOT_PARENT = "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID"
"""Variables that name the task and its DAG run, each as ``namespace/job/run``."""
TASK, ROOT, PROGRAM = "lakehold.task", "lakehold.root", "lakehold.program"
"""Keys of a snapshot's summary."""
TASK_TAG = "lakehold-task:"
ROOT_TAG = "lakehold-root:"
"""What the client tags of a Trino query begin with; the rest is an ancestor, percent-encoded as in a URL."""
_BY_HAND = "lakehold"
_RUN = str(uuid.uuid4())


@dataclass(frozen=True)
class Ancestor:
    """A run of a job, written ``namespace/job/run``."""

    namespace: str
    job: str
    run: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read the written form; ``None`` when it is none."""
        parts = text.rsplit("/", 2)
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def __str__(self) -> str:
        """Return the written form."""
        return f"{self.namespace}/{self.job}/{self.run}"


@dataclass(frozen=True)
class Ancestry:
    """The task that started something, and the DAG run that task belongs to, as far as they are known."""

    task: Ancestor | None = None
    root: Ancestor | None = None

    def variables(self) -> dict[str, str]:
        """Return the environment that tells a command who started it."""
        return {PARENT: str(self.task or ""), ROOT_PARENT: str(self.root or "")}


def of_environment(environment: Mapping[str, str] = os.environ) -> Ancestry:
    """Return who started this process; nobody outside of Airflow."""
    task, root = (Ancestor.read(environment.get(name, "")) for name in (PARENT, ROOT_PARENT))
    return Ancestry(task=task, root=root)


def snapshot_properties(program: str, by: Ancestry | None = None) -> dict[str, str]:
    """Return what the snapshots of ``program`` say of themselves: its name, its task and its DAG run.

    Without a task, a person has started it: then its own name and one run id for the life of the process stand for it.

    :param by: who started it; by default, who started this process
    """
    who = of_environment() if by is None else by
    told = _summary(who) if who.task else {TASK: str(Ancestor(_BY_HAND, program, _RUN))}
    return {PROGRAM: program, **told}


def _summary(who: Ancestry) -> dict[str, str]:
    return {key: str(one) for key, one in ((TASK, who.task), (ROOT, who.root)) if one is not None}


def spark_conf(ancestry: Ancestry) -> dict[str, str]:
    """Return the Spark properties that tell OpenLineage, and each Iceberg snapshot, who started the application."""
    properties = {f"spark.sql.iceberg.snapshot-property.{key}": one for key, one in _summary(ancestry).items()}
    for prefix, one in (("parent", ancestry.task), ("rootParent", ancestry.root)):
        if one is not None:
            properties[f"spark.openlineage.{prefix}JobNamespace"] = one.namespace
            properties[f"spark.openlineage.{prefix}JobName"] = one.job
            properties[f"spark.openlineage.{prefix}RunId"] = one.run
    return properties


def trino_tags(ancestry: Ancestry) -> list[str]:
    """Return the client tags that tell who started a Trino query."""
    found = ((TASK_TAG, ancestry.task), (ROOT_TAG, ancestry.root))
    # A header is Latin-1 text and a comma ends a tag, while Airflow allows names in any script.
    return [tag + quote(str(one)) for tag, one in found if one is not None]


def of_trino_tags(tags: Iterable[str]) -> Ancestry:
    """Read what :func:`trino_tags` wrote, among any other tags."""
    found: dict[str, Ancestor | None] = {}
    for tag in tags:
        for start in (TASK_TAG, ROOT_TAG):
            if tag.startswith(start):
                found[start] = Ancestor.read(unquote(tag.removeprefix(start)))
    return Ancestry(task=found.get(TASK_TAG), root=found.get(ROOT_TAG))
