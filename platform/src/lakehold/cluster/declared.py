"""The declarations as data for the chart's templates (``helm/lakehold/files/declared.yaml``); pure.

Only what a template needs is in it: names, ports, probes, memory, times, secrets, and who talks to whom. Commands,
environments and configuration files are made in the pod (:mod:`lakehold.cluster.configure`), from the real settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

from lakehold.cluster import configure, layout, openmetadata, pod
from lakehold.cluster.configure import WORKERS
from lakehold.cluster.values import SettingsPart
from lakehold.components import airflow_worker, openmetadata_tokens, spark_pods
from lakehold.components.airflow import AIRFLOW_TASK
from lakehold.components.model import Component, Health, Http, Pods, Process, Site, Task
from lakehold.components.spark import SPARK
from lakehold.config.settings import Settings

_SERVER, _CLIENT = "server", "client"
_WITH: Mapping[str, tuple[Component, ...]] = {airflow_worker.NAME: (SPARK,)}
"""What a pod is configured as besides: Celery's workers run Spark in their own pods."""
_HOST = "host-of-"
"""Before a component's name it stands for its Service's; templates replace it by the beginning of all names."""


def example(components: Sequence[Component]) -> Site:
    """A pod's site in which every host name and secret tells what it stands for."""
    return pod.site(
        components,
        pod.settings_of(Settings().model_dump(mode="json")),
        hosts={part.name: f"{_HOST}{part.name}" for part in components},
        pods=Pods(namespace="namespace", template=layout.GIVEN / layout.TASK),
        secrets={name: f"secret-{name}" for part in components for name in part.secrets},
    )


def declared(components: Sequence[Component]) -> dict[str, Any]:
    """Return everything the templates read."""
    site = example(components)
    running = [part for part in components if part.processes]
    named = {part.name: part for part in running}
    return {
        "layout": {
            "given": str(layout.GIVEN),
            "state": str(layout.STATE),
            "user": layout.USER,
            "source": str(layout.CHECKOUT / "platform" / "src"),
            "configure": [str(layout.python(layout.LAKEHOLD)), "-m", "lakehold.cluster.configure"],
            "keys": [str(layout.python(layout.LAKEHOLD)), "-m", "lakehold.cluster.keys"],
            "launch": _script("launch.py"),
            "drain": [*_script("drain.py"), f"https://127.0.0.1:{site.ports['trino']}", str(site.tls / "ca.pem")],
        },
        "secrets": sorted({name for part in components for name in part.secrets}),
        "openmetadata": {
            "secrets": list(openmetadata.GENERATED),
            "database": openmetadata.DATABASE,
            "keys": [str(layout.python(layout.LAKEHOLD)), "-m", "lakehold.cluster.openmetadata"],
            "private": openmetadata_tokens.PRIVATE,
            "public": openmetadata_tokens.PUBLIC,
            "issuer": openmetadata_tokens.ISSUER,
            "signing": [openmetadata_tokens.RSA, openmetadata_tokens.KEY_ID],
            "port": openmetadata.PORT,
        },
        "tasks": _tasks(site),
        "spark": _spark(site),
        "components": {name: _component(name, part, running, site) for name, part in {**named, **WORKERS}.items()},
    }


def _tasks(site: Site) -> dict[str, Any]:
    parts = (AIRFLOW_TASK, SPARK)
    (task,) = AIRFLOW_TASK.before
    return {
        "image": layout.IMAGES["airflow"],
        "configured": [layout.TASKS, SPARK.name],
        "like": task.name,
        "secrets": sorted({name for part in parts for name in part.secrets}),
        "tls": _tls("\n".join(mentioned(part, site) for part in parts), site),
    }


def _spark(site: Site) -> dict[str, Any]:
    """Of a driver's pod, what it is configured as; of its executors' pods, what Spark does not add to them."""
    return {
        "configured": [layout.TASKS, spark_pods.NAME],
        "image": layout.SPARK_IMAGE,
        "container": spark_pods.CONTAINER,
        "command": [str(site.pythons["engine"]), "-m", "lakehold.pipelines.spark_pod"],
        "java": str(site.artifacts["jdk-21"]),
        "driverPort": spark_pods.DRIVER_PORT,
        "blocksPort": spark_pods.BLOCKS_PORT,
        "talks": ["objectstore"],
    }


class _Asked:
    """Settings that note which of their sections are asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.sections: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in SettingsPart.model_fields:
            self.sections.add(name)
        return getattr(self._settings, name)


def sections(part: Component, site: Site) -> list[str]:
    """Name the sections of the chart's settings that a pod of this component is configured from."""
    asked = _Asked(site.settings)
    configure.plan(part, replace(site, settings=cast(Settings, asked)))
    return sorted(asked.sections)


def _script(name: str) -> list[str]:
    return [layout.SYSTEM_PYTHON, "-I", "-S", str(layout.CHECKOUT / "platform" / "src" / "lakehold" / "cluster" / name)]


def _component(name: str, part: Component, running: Sequence[Component], site: Site) -> dict[str, Any]:
    text, others = mentioned(part, site), _WITH.get(name, ())
    return {
        "image": layout.IMAGES[part.name],
        "port": part.ports[""],
        "secrets": list(part.secrets),
        "tls": _tls(text, site),
        "configured": [name, *(other.name for other in others)],
        "settings": sorted({section for one in (part, *others) for section in sections(one, site)}),
        "talks": [other.name for other in running if site.hosts[other.name] in text],
        "init": [task.name for task in (*part.before, *part.after) if not task.shared],
        "waits": [task.name for task in part.before if task.shared and task.done is not None],
        "needs": list(part.needs),
        "jobs": {task.name: _job(task, part, site) for task in (*part.before, *part.after) if task.shared},
        "processes": {one.name: _process(one, part, site) for one in part.processes if not one.one_machine},
    }


def mentioned(part: Component, site: Site) -> str:
    """Return all that a component's processes are told, as one text: who is not in it is not talked to."""
    said = [file.text for file in part.files(site)]
    for one in part.processes:
        said += [*one.command(site), *one.environment(site).values()]
    return "\n".join(said)


def _tls(text: str, site: Site) -> str:
    if str(site.tls / "server.pem") in text:
        return _SERVER
    return _CLIENT if str(site.tls / "ca.pem") in text else ""


def _job(task: Task, part: Component, site: Site) -> dict[str, Any]:
    by_lakehold = task.command(site)[0] == str(layout.python(layout.LAKEHOLD))
    return {
        "image": layout.PLATFORM if by_lakehold else layout.IMAGES[part.name],
        "needs": [*part.needs, *([part.name] if task in part.after else [])],
    }


def _process(process: Process, part: Component, site: Site) -> dict[str, Any]:
    health = process.health(site)
    serves = isinstance(health, Http) and urlsplit(health.url).port == part.ports[""]
    return {
        "serves": serves or (len(part.processes) == 1 and not process.alive),
        "startSeconds": process.start_seconds,
        "stopSeconds": process.stop_seconds,
        "probe": probe(health, site),
        **({"alive": probe(process.alive(site), site)} if process.alive else {}),
    }


def probe(health: Health, site: Site) -> dict[str, Any]:
    """Return a declared health check as a kubelet's probe."""
    if not isinstance(health, Http):
        command = list(health.command)
        if command[0] == str(layout.python(layout.LAKEHOLD)):
            # A module of the standard library only; most images do not have the environment.
            command[0] = layout.SYSTEM_PYTHON
        return {"exec": {"command": command}}
    if health.contains:
        ask = [health.url, str(site.tls / "ca.pem"), health.contains]
        return {"exec": {"command": [*_script("health.py"), *ask]}}
    url = urlsplit(health.url)
    return {"httpGet": {"path": url.path, "port": url.port, "scheme": url.scheme.upper()}}
