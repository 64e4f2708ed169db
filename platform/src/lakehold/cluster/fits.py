"""Ask an older version whether it can work with what a newer one has left in the databases, before going back to it.

The older version itself is asked: a pod of its own image, made like its migration Job, runs the task's question
(:attr:`~lakehold.components.model.Task.fits`) and goes away. It is given the settings of its own time.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehold.cluster import objects, tools, watch
from lakehold.cluster.commands import Cluster, container_log, create, delete, get
from lakehold.cluster.objects import Key, Object
from lakehold.components.model import Component, Task
from lakehold.errors import LakeholdError, NotRunningError, StartError

_SECONDS = 180.0
_REACH_SECONDS = "30"
_PAUSE = 1.0
_UNREADABLE = StartError.exit_code
"""With this code a task says that it cannot work with what is there; any other says that it could not look."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A pod to ask, with the settings it is given."""

    task: str
    pod: Object
    settings: Object

    @property
    def names(self) -> tuple[str, str]:
        """What is to be removed afterwards."""
        return (str(objects.key(self.pod)).lower(), str(objects.key(self.settings)).lower())

    def dumps(self) -> str:
        """Write both for ``kubectl create``."""
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": [self.settings, self.pod]})


def questions(manifest: Mapping[Key, Object], components: Sequence[Component], suffix: str) -> list[Question]:
    """Return whom to ask of a manifest's version: the Jobs whose task has a question; pure."""
    tasks = {task.name for part in components for task in (*part.before, *part.after) if _asks(task)}
    settings = next(one for one in manifest.values() if "cluster.json" in (one.get("data") or {}))
    found = []
    for key, job in sorted(manifest.items()):
        if key.kind == "Job" and (task := job["spec"]["template"]["spec"]["containers"][0]["name"]) in tasks:
            found.append(_question(task, job, settings, f"{objects.of_job(key.name)}-fits-{suffix}"))
    return found


def _asks(task: Task) -> bool:
    return task.shared and task.fits is not None


def _question(task: str, job: Object, settings: Object, name: str) -> Question:
    pod: dict[str, Any] = copy.deepcopy(dict(job["spec"]["template"]))
    spec = pod["spec"]
    launcher = list(spec["containers"][0]["command"])
    spec["containers"][0]["command"] = [*launcher[: launcher.index("--task")], "--task", "0", f"{task}.fits"]
    spec["restartPolicy"] = "Never"
    spec["activeDeadlineSeconds"] = int(_SECONDS)
    for one in spec.get("initContainers") or []:
        words = one["command"]
        if "--reach" in words:
            words[words.index("--reach") + 1] = _REACH_SECONDS
    old, new = settings["metadata"]["name"], f"{name}-settings"
    for volume in spec["volumes"]:
        for source in (volume.get("projected") or {}).get("sources") or []:
            if (source.get("configMap") or {}).get("name") == old:
                source["configMap"]["name"] = new
    labels = {"app.kubernetes.io/part-of": "lakehold"}
    return Question(
        task=task,
        pod={"apiVersion": "v1", "kind": "Pod", "metadata": {**pod["metadata"], "name": name}, "spec": spec},
        settings={
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": new, "labels": labels},
            "data": settings["data"],
        },
    )


def ask(
    cluster: Cluster,
    question: Question,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return why that version cannot work with what is there, or nothing; the pod is gone afterwards, however it ends.

    :class:`NotRunningError` when it could not find out.
    """
    try:
        tools.run_all(create(cluster), stdin=question.dumps())
        pod = _ended(cluster, question, clock, sleep)
        code, said = exit_code(pod), _said(cluster, question)
    finally:
        tools.run(delete(cluster, *question.names))
    if code == 0:
        return ""
    if code == _UNREADABLE:
        return said or f"{question.task} says so"
    raise _unknown(cluster, question, f"exit code {code}: {said}" if code else watch.stage_of(pod).text)


def _ended(cluster: Cluster, question: Question, clock: Callable[[], float], sleep: Callable[[float], None]) -> Object:
    end = clock() + _SECONDS
    while True:
        pod: Object = tools.run_json(get(cluster, "pod", question.pod["metadata"]["name"]))
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return pod
        stage = watch.stage_of(pod)
        if stage.reason or clock() > end:
            raise _unknown(cluster, question, stage.text)
        sleep(_PAUSE)


def exit_code(pod: Object) -> int | None:
    """Return how the question itself ended; ``None`` when a container before it failed, or the pod was taken away."""
    for one in pod["status"].get("containerStatuses") or []:
        if ended := one["state"].get("terminated"):
            return int(ended["exitCode"])
    return None


def _said(cluster: Cluster, question: Question) -> str:
    try:
        text = tools.run(container_log(cluster, question.pod["metadata"]["name"], question.task, lines=20))
    except LakeholdError:
        return ""  # it never started; the caller has the pod's own state
    return "\n          ".join(line.strip() for line in text.splitlines() if line.strip())


def _unknown(cluster: Cluster, question: Question, why: str) -> NotRunningError:
    return NotRunningError(
        f"the older version could not be asked whether it can read what is there ({question.task}).",
        why=why,
        remedy=f"lakehold doctor {cluster.options}; helm rollback goes back without asking",
    )
