"""What a pod's first container does: ``python -m lakehold.cluster.configure COMPONENT…``.

It writes each component's files, its certificate, and for each of its processes and tasks what :mod:`launch` has to
start; all of it into volumes that live as long as the pod, in memory. So a configuration with secrets in it, or made of
them, is the same function's work as on one machine, and is kept nowhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehold.cluster import layout, pod
from lakehold.components import airflow_worker, spark_pods, trino_worker
from lakehold.components.airflow import AIRFLOW_TASK
from lakehold.components.model import Component, Process, Site, Task
from lakehold.components.registry import COMPONENTS, component
from lakehold.components.spark import SPARK_DRIVER
from lakehold.errors import LakeholdError

WORKERS: Mapping[str, Component] = {
    trino_worker.NAME: trino_worker.TRINO_WORKER,
    airflow_worker.NAME: airflow_worker.AIRFLOW_WORKER,
}
"""Further nodes of a component: workloads of their own, without a Service."""
_ONLY_HERE: Mapping[str, Component] = {layout.TASKS: AIRFLOW_TASK, spark_pods.NAME: SPARK_DRIVER, **WORKERS}
"""What only pods are configured as."""
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be written for one component. Paths are absolute."""

    folders: tuple[Path, ...]
    files: Mapping[Path, str]


def plan(part: Component, site: Site) -> Plan:
    """Return the folders and files a pod with this component needs; pure."""
    owned = [site.conf(part.name), site.data(part.name), *(site.state / name for name in part.owns)]
    files = {site.conf(part.name) / file.path: file.text for file in part.files(site)}
    processes = [one for one in part.processes if not one.one_machine]
    started: tuple[Process | Task, ...] = (*part.before, *processes, *part.after)
    for one in started:
        files[layout.RUN / f"{one.name}.json"] = json.dumps(_started(one, site), indent=2) + "\n"
        for question, command in _questions(one, site).items():
            asked = {**_started(one, site), "command": command, "stdin": ""}
            files[layout.RUN / f"{one.name}.{question}.json"] = json.dumps(asked, indent=2) + "\n"
    folders = [*owned, site.temporary, site.state / "work" / "home", site.tls, layout.RUN]
    return Plan(folders=tuple(dict.fromkeys([*folders, *(path.parent for path in files)])), files=files)


def _questions(one: Process | Task, site: Site) -> dict[str, list[str]]:
    """Return the commands that ask something about a task, by what they ask."""
    asked = {"done": one.done, "fits": one.fits} if isinstance(one, Task) else {}
    return {question: command(site) for question, command in asked.items() if command is not None}


def _started(one: Process | Task, site: Site) -> dict[str, object]:
    directory = one.directory(site) if isinstance(one, Process) and one.directory is not None else site.state
    base = {
        "PATH": _PATH,
        "HOME": str(site.state / "work" / "home"),
        "TMPDIR": str(site.temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(site.checkout / "platform" / "src"),
    }
    return {
        "command": one.command(site),
        "environment": {**base, **one.environment(site)},
        "directory": str(directory),
        "stdin": one.stdin(site) if isinstance(one, Task) else "",
    }


def certificates(given: Path, site: Site) -> dict[Path, str]:
    """Return the TLS files, for the components whose pods are given them: authorities, and a server's own."""
    found = {}
    certificate, key = (given / name for name in ("tls.crt", "tls.key"))
    for authority, name in (("ca.crt", "ca.pem"), ("postgres.crt", layout.POSTGRES_CA)):
        if (given / authority).is_file():
            # People's may have words between the certificates.
            found[site.tls / name] = (given / authority).read_text(encoding="utf-8")
    if certificate.is_file() and key.is_file():
        parts = [path.read_text(encoding="ascii").rstrip() + "\n" for path in (certificate, key)]
        found[site.tls / "server.pem"] = "".join(parts)
    return found


def write(wanted: Plan) -> None:
    """Make what is missing and write every file; nobody but the pod's user may read them."""
    os.umask(0o077)
    for folder in wanted.folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, text in wanted.files.items():
        path.write_text(text, encoding="utf-8")


def main(names: Sequence[str]) -> int:
    """Configure this pod for the components of these names."""
    try:
        site = pod.load(COMPONENTS)
        plans = [plan(_ONLY_HERE.get(name) or component(name), site) for name in names]
        tls = certificates(layout.GIVEN / "tls", site)
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    for wanted in plans:
        write(wanted)
    write(Plan(folders=(site.tls,), files=tls))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
