"""Which shadow schemas a task writes to: those of the audited group it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import TaskGroup

from lakehold.tables import shadow
from lakehold.tables.shadow import Audit


class ShadowedGroup(TaskGroup):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """A task group whose tasks write to shadows of ``schemas``."""

    def __init__(self, group_id: str, *, schemas: Sequence[str], **kwargs: Any) -> None:
        if isinstance(schemas, str) or not schemas:
            raise ValueError(f'schemas is a list of schema names, such as ["gold"], not {schemas!r}')
        super().__init__(group_id, **kwargs)
        self.schemas = tuple(schemas)
        if outer := _group_around(self.parent_group):
            raise ValueError(f"the audited group {self.group_id} stands in another one, {outer.group_id}")

    def audit(self, ti: Any) -> Audit:
        """Return what the run of the task instance ``ti`` writes to in this group."""
        return Audit(run=f"{ti.dag_id}/{ti.run_id}", group=self.group_id)


def _group_around(group: Any) -> ShadowedGroup | None:
    while group is not None:
        if isinstance(group, ShadowedGroup):
            return group
        group = group.parent_group
    return None


def environment(ti: Any) -> Mapping[str, str]:
    """Return the variables that send a command of this task to its shadows; none outside of an audited group."""
    group = _group_around(ti.task.task_group)
    return shadow.environment(group.audit(ti), group.schemas) if group else {}
