"""Follows one model through the ``dbt build`` of its task group, in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from lakehold.config.platform import load
from lakehold.pipelines.dbt_progress import (
    FAILED,
    SUCCESS,
    Outcome,
    Progress,
    progress_folder,
    read,
    told_before,
    write_told,
)

_POLL_SECONDS = 0.25
_ASK_SECONDS = 3.0
_OVER = ("success", "failed", "upstream_failed", "skipped", "removed")


class NodeTrigger(BaseTrigger):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Ends the task of ``node`` as the build ends the model; asks for a rerun when that build is history."""

    def __init__(self, *, node: str, group: str, stamp: str) -> None:
        super().__init__()
        self.node = node
        self.group = group
        self.stamp = stamp

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        return f"{__name__}.NodeTrigger", {"node": self.node, "group": self.group, "stamp": self.stamp}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Read the progress file until the model is in it; ask for the state of ``build`` when it says nothing new."""
        folder = progress_folder(load().work, self.task_instance.dag_id, self.stamp, self.group)
        asked = time.monotonic()
        over = False
        while True:
            progress = await asyncio.to_thread(read, folder)
            event = self._event(folder, progress, over=over)
            if event is not None:
                yield event
                return
            if time.monotonic() - asked > _ASK_SECONDS:
                over = await self._build_is_over()
                asked = time.monotonic()
                continue  # what the file says may be older than the state: read it once more
            await asyncio.sleep(_POLL_SECONDS)

    def _event(self, folder: Path, progress: Progress | None, *, over: bool) -> TriggerEvent | None:
        attempt = str(self.task_instance.id)
        if progress is None:
            return self._fail("the build ended before dbt began; its log says why") if over else None
        if told_before(folder, self.node, progress.build, attempt):
            why = "the last dbt build of this run is over: building this model alone"
            return TriggerEvent({"why": why}) if over else None
        outcome = progress.outcomes.get(self.node)
        if outcome is None and (progress.code is not None or over):
            outcome = self._unreported(progress.code)
        if outcome is None:
            return None
        write_told(folder, self.node, progress.build, attempt)
        self.log.info("%s: %s in %.1f s; %s", outcome.node, outcome.status, outcome.seconds, outcome.message)
        if outcome.status == SUCCESS:
            return TaskSuccessEvent()
        if outcome.status == FAILED:
            return TaskFailedEvent()
        # dbt skipped it because a model it reads had failed. That model's task has ended well since, or we would
        # not have started.
        return TriggerEvent({"why": "dbt had skipped this model, what it reads is there now: building it alone"})

    def _unreported(self, code: int | None) -> Outcome:
        if code == 0:
            return Outcome(node=self.node, status=SUCCESS, message="dbt had nothing to build for it")
        why = "the build ended before it got to this model; its log says why"
        return Outcome(node=self.node, status=FAILED, message=why)

    def _fail(self, why: str) -> TriggerEvent:
        self.log.error("%s", why)
        return TaskFailedEvent()

    async def _build_is_over(self) -> bool:
        ti = self.task_instance
        build = f"{self.group}.build"
        states = await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states, dag_id=ti.dag_id, task_ids=[build], run_ids=[ti.run_id]
        )
        return states.get(ti.run_id, {}).get(build) in _OVER
