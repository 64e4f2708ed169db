"""Publish only what passed: what the tasks of an audited group write is seen by nobody before the group's last task.

    with audited("gold", schemas=["gold"]):
        dbt_task_group("marts", project=PROJECT) >> Gate(task_id="gate", suite="gold")

The first task, ``clone``, makes a shadow of each schema, without copying. Inside, our operators write to the shadows,
and gates read them. The last task, ``publish``, moves all changed tables at once; it runs when every task inside has
succeeded, and refuses when a table was changed by somebody else meanwhile. When a task fails, nothing is published, and
the shadow stays to be looked at until the next run needs its tables. Clear the group from ``clone`` to start clean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from lakehold.config.platform import Platform, load
from lakehold.errors import BusyError, ConflictError, DataError
from lakehold.pipelines.command import Command
from lakehold.pipelines.shadows import ShadowedGroup
from lakehold.tables.shadow import Audit

_LOOK_AGAIN = timedelta(seconds=10)
_ENDED = ["success", "failed"]
_FAILED = ("failed", "upstream_failed")


def _program(platform: Platform, verb: str, *arguments: str) -> list[str]:
    return [platform.pythons["engine"], "-m", "lakehold.tables.run", verb, *arguments]


def _of(audit: Audit) -> list[str]:
    return ["--run", audit.run, "--group", audit.group]


class Clone(Command):
    """Make a shadow of every schema of the group, afresh when this run had one; its result is schema → shadow.

    When another run has a shadow of the same schemas and is still under way, the task waits for it without holding a
    slot, for ``wait`` at most. The shadow of a run that has ended is history: it is discarded.
    """

    ui_color = "#dae8fc"
    final_codes: ClassVar[Mapping[int, str]] = {
        BusyError.exit_code: "the tables are taken, and the time to wait is up; the lines above say by whom"
    }

    def __init__(self, *, wait: timedelta | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait = wait

    def execute(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """Clone, or begin to wait."""
        return self._clone(context, datetime.now(UTC) + (self.wait or timedelta(0)))

    def look_again(self, context: Mapping[str, Any], event: object, until: str) -> Mapping[str, str]:  # noqa: ARG002
        """Clone, or wait on."""
        return self._clone(context, datetime.fromisoformat(until))

    def _clone(self, context: Mapping[str, Any], until: datetime) -> Mapping[str, str]:
        platform = load()
        group = self.task_group
        audit = group.audit(context["ti"])
        schemas = [f"--schema={name}" for name in group.schemas]
        command = _program(platform, "clone", *_of(audit), *schemas, "--refuse")
        code = self.run_command(command, context, platform)
        if code == BusyError.exit_code and self._discard_ended(group.schemas, context, platform):
            code = self.run_command(command, context, platform)
        if code == BusyError.exit_code and datetime.now(UTC) < until:
            self._wait(until)
        self.raise_for(code, command[0])
        return {name: audit.schema(name) for name in group.schemas}

    def _wait(self, until: datetime) -> None:
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.log.info("looking again in %d s, until %s", _LOOK_AGAIN.total_seconds(), until.isoformat("T", "seconds"))
        self.defer(trigger=TimeDeltaTrigger(_LOOK_AGAIN), method_name="look_again", kwargs={"until": until.isoformat()})

    def _discard_ended(self, schemas: Sequence[str], context: Mapping[str, Any], platform: Platform) -> bool:
        """Discard the shadows of runs that Airflow knows to have ended, if they are of ``schemas``; whether any was."""
        ended = sorted(run for run in self._holders(schemas, context, platform) if _has_ended(run))
        for run in ended:
            self.log.info("%s has ended without publishing its shadow: discarding that", run)
            command = _program(platform, "discard", "--run", run)
            self.raise_for(self.run_command(command, context, platform), command[0])
        return bool(ended)

    def _holders(self, schemas: Sequence[str], context: Mapping[str, Any], platform: Platform) -> set[str]:
        """Return the runs that have a shadow of one of ``schemas``."""
        command = _program(platform, "shadows", "--json")
        printed: list[str] = []
        code = self.run_command(command, context, platform, printed.append)
        self.log.info("%s", "\n".join(printed))
        self.raise_for(code, command[0])
        return {each["run"] for each in json.loads("\n".join(printed)) if not set(schemas).isdisjoint(each["schemas"])}


class Publish(Command):
    """Publish the group's shadows, all tables at once or none; retried after a kill it finds out what had happened."""

    ui_color = "#d5e8d4"
    final_codes: ClassVar[Mapping[int, str]] = {
        ConflictError.exit_code: "somebody else was faster; the lines above say who. Nothing was published: clear the "
        "group from its clone task on, to do the work again on what is there now",
        DataError.exit_code: "there is no shadow to publish, as said above; clear the group from its clone task on",
    }

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:
        """Return the command, unless a task of the group has failed."""
        ti = context["ti"]
        inside = [task.task_id for task in self.task_group if task.task_id != self.task_id]
        states = RuntimeTaskInstance.get_task_states(dag_id=ti.dag_id, task_ids=inside, run_ids=[ti.run_id])
        failed = sorted(task for task, state in states.get(ti.run_id, {}).items() if state in _FAILED)
        if failed:
            # A trigger rule may let the tasks after a failed one succeed; that is no reason to show what it left.
            raise AirflowFailException(f"nothing is published, because these have failed: {', '.join(failed)}")
        return _program(platform, "publish", *_of(self.task_group.audit(ti)))


def _has_ended(run: str) -> bool:
    """Whether Airflow knows the run and that it is over. A name that is no run of Airflow's is a person's business."""
    dag_id, _, run_id = run.partition("/")
    return bool(RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=_ENDED))


class Audited(ShadowedGroup):
    """See :func:`audited`."""

    def __init__(self, group_id: str, *, schemas: Sequence[str], wait: timedelta | None, **kwargs: Any) -> None:
        super().__init__(group_id, schemas=schemas, **kwargs)
        self.wait = wait

    def schema(self, name: str) -> str:
        """Return a template of the shadow of one of the group's schemas, for operators that are not ours."""
        if name not in self.schemas:
            raise ValueError(f"{name} is not among the schemas of the audited group {self.group_id}: {self.schemas}")
        return f"{{{{ ti.xcom_pull(task_ids='{self.group_id}.clone')['{name}'] }}}}"

    def table(self, name: str) -> str:
        """Return a template of the shadow of ``schema.table``: write to it, and read from it what was written."""
        schema, _, table = name.partition(".")
        return f"{self.schema(schema)}.{table}"

    def __enter__(self) -> Audited:
        """Begin the group with its task ``clone``."""
        super().__enter__()
        self._clone = Clone(task_id="clone", wait=self.wait)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """End the group with its task ``publish``; between the two stands everything else."""
        try:
            if error is None:
                self._enclose()
        finally:
            super().__exit__(kind, error, tb)

    def _enclose(self) -> None:
        inside = {task.task_id: task for task in self if task is not self._clone}
        if not inside:
            raise ValueError(f"the audited group {self.group_id} has no task that could write anything")
        publish = Publish(task_id="publish")
        for task in inside.values():
            if not task.upstream_task_ids & inside.keys():
                task.set_upstream(self._clone)
            if not task.downstream_task_ids & inside.keys():
                task.set_downstream(publish)


def audited(
    group_id: str, *, schemas: Sequence[str], wait: timedelta | None = timedelta(hours=1), **kwargs: Any
) -> Audited:
    """Return a task group for a ``with`` block; what is written inside is published by its last task, or not at all.

    :param schemas: the schemas the tasks write to. What they only read need not be here, they read it as published
    :param wait: how long to wait for another run that has a shadow of one of the schemas; None: fail at once
    :param kwargs: arguments of :class:`airflow.sdk.TaskGroup`

    SparkJob, Gate and dbt tasks find the shadows by themselves (``lakehold.tables.shadow.written`` in a Spark program).
    For other operators ``group.table("gold.delays")`` and ``group.schema("gold")`` are templates of the shadow's name.
    """
    return Audited(group_id, schemas=schemas, wait=wait, **kwargs)
