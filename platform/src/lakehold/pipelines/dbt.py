"""A dbt project as an Airflow task group: one ``dbt build`` does the work, every model is a task of its own.

dbt takes two seconds to start, so a process per model would cost more than the models. Instead the task ``build`` runs
dbt once; the model tasks live in the triggerer, follow its progress, and end as their model ends. They hold no slot.

Clear the whole group to build everything again. Clear (or retry) one model, and only that model is built again, by a
dbt of its own, unless ``build`` is about to run again anyway.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import TaskGroup
from airflow.triggers.base import StartTriggerArgs

from lakehold.config.platform import Platform, load
from lakehold.pipelines import dbt_progress
from lakehold.pipelines.command import Command
from lakehold.pipelines.dbt_graph import model_graph

_STAMP = "{{ run_id }}@{{ dag_run.run_after | ts_nodash }}"
_INTERVAL = {"from": "{{ data_interval_start | ds }}", "to": "{{ data_interval_end | ds }}"}


class _Dbt(Command):
    """What both kinds of task share: the command, its environment and its log.

    :param project: the dbt project's folder
    :param variables: dbt's ``--vars`` (templated; by default the data interval as ``from`` and ``to``)
    """

    template_fields = ("variables", "stamp")
    ui_color = "#ffd9cc"

    def __init__(self, *, project: Path, variables: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.variables = dict(_INTERVAL if variables is None else variables)
        self.stamp = _STAMP

    def selection(self) -> list[str]:
        """Return dbt's selection arguments."""
        return []

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:
        """Return the ``dbt build`` command; dbt reports every node as a JSON event."""
        own = self._own_folder(context, platform)
        return [
            str(Path(platform.pythons["dbt"]).with_name("dbt")),
            *("--log-format", "json", "--log-level", "debug", "--log-level-file", "none", "--no-use-colors"),
            *("--no-send-anonymous-usage-stats", "--no-version-check"),
            "build",
            # They test the models' code on rows of their own: that is for `make test`, not for every run on the data.
            *("--exclude-resource-type", "unit_test"),
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target-path", str(own / "target"), "--log-path", str(own / "logs")),
            *("--vars", json.dumps(self.variables)),
            *self.selection(),
        ]

    def extra_environment(self, context: Mapping[str, Any], platform: Platform) -> dict[str, str]:  # noqa: ARG002
        """Return what ``profiles.yml`` reads."""
        return {
            "LAKEHOLD_TRINO_HOST": platform.trino.host,
            "LAKEHOLD_TRINO_PORT": str(platform.trino.port),
            "LAKEHOLD_TRINO_CA": platform.trino.ca,
            "LAKEHOLD_TRINO_CATALOG": platform.trino.catalog,
            "LAKEHOLD_TRINO_PASSWORD": platform.trino.passwords["dbt"],
        }

    def on_line(self, line: str) -> None:
        """Log what dbt tells people; hand node events on."""
        try:
            event = json.loads(line)
            info = event["info"]
        except (ValueError, TypeError, KeyError):
            self.log.info(line)
            return
        if info["name"] == "NodeFinished":
            self.on_node(event["data"]["node_info"]["unique_id"], event["data"]["run_result"])
        elif info["level"] != "debug" and info["msg"].strip():
            log = {"error": self.log.error, "warn": self.log.warning}.get(info["level"], self.log.info)
            log(info["msg"])

    def on_node(self, uid: str, result: Mapping[str, Any]) -> None:
        """Take note that dbt has finished a node."""

    def _own_folder(self, context: Mapping[str, Any], platform: Platform) -> Path:
        folder = self._group_folder(context, platform)
        return folder / str(self.task_id).rpartition(".")[2]

    def _group_folder(self, context: Mapping[str, Any], platform: Platform) -> Path:
        group = str(self.task_id).rpartition(".")[0]
        return dbt_progress.progress_folder(platform.work, context["ti"].dag_id, self.stamp, group)


class DbtBuild(_Dbt):
    """Run ``dbt build`` over the project and report each model's end to the model tasks."""

    def execute(self, context: Mapping[str, Any]) -> None:
        """Build; the exit code is reported whatever happens, short of a kill."""
        platform = load()
        self._folder = self._group_folder(context, platform)
        self._manifest = self._own_folder(context, platform) / "target" / "manifest.json"
        self._collector: dbt_progress.Collector | None = None
        dbt_progress.write_start(self._folder, uuid.uuid4().hex)
        code = 1
        try:
            super().execute(context)
            code = 0
        finally:
            if self._collector:
                dbt_progress.write_outcomes(self._folder, self._collector.rest())
            dbt_progress.write_end(self._folder, code)

    def on_node(self, uid: str, result: Mapping[str, Any]) -> None:
        """Report the models this node completes."""
        if self._collector is None:
            manifest = json.loads(self._manifest.read_text(encoding="utf-8"))
            self._collector = dbt_progress.Collector(dbt_progress.tests_by_model(manifest))
        dbt_progress.write_outcomes(self._folder, self._collector.finished(uid, result))


class DbtModel(_Dbt):
    """One model: ends as it ended in the group's ``build``; builds only this model when that is over."""

    start_from_trigger = True

    def __init__(self, *, node: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.node = node
        group = self.task_id.rpartition(".")[0]
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="lakehold.pipelines.dbt_trigger.NodeTrigger",
            trigger_kwargs={"node": node, "group": group, "stamp": self.stamp},
            next_method="rerun",
        )

    def selection(self) -> list[str]:
        """Return the arguments that select this model and its tests."""
        return ["--select", self.node]

    def rerun(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Build this model alone."""
        self.log.info("%s", event["why"])
        self.execute(context)


def dbt_task_group(
    group_id: str, *, project: Path, variables: Mapping[str, str] | None = None, **kwargs: Any
) -> TaskGroup:
    """Return a task group with the task ``build`` and one task for every model, snapshot and seed of the project.

    :param project: the dbt project's folder: ``Path(__file__).parents[1] / "dbt_project"``
    :param variables: dbt's ``--vars`` (templated; by default the data interval as ``from`` and ``to``)
    :param kwargs: arguments of every task in the group (``retries``, ``execution_timeout``, …)
    """
    common = {"project": project, "variables": variables, **kwargs}
    with TaskGroup(group_id) as group:
        DbtBuild(task_id="build", **common)
        graph = model_graph(project)
        tasks = {name: DbtModel(task_id=name, node=name, **common) for name in sorted(graph)}
        for name, parents in graph.items():
            tasks[name].set_upstream([tasks[parent] for parent in sorted(parents)])
    return group
