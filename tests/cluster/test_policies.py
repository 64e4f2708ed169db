"""Network policies, as the cluster enforces them: who reaches whom is what the declarations say, and nothing else."""

from __future__ import annotations

import json

import pytest
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS
from real_cluster import PORTS, Installation

FACTS = declared(COMPONENTS)["components"]
# A refused packet is dropped or answered; both are a way that is closed.
_TRY = """
import json, socket, sys
def reached(host, port):
    try:
        socket.create_connection((host, port), timeout=4).close()
    except OSError:
        return False
    return True
print(json.dumps({host: reached(host, int(port)) for host, port in (word.split("=") for word in sys.argv[1:])}))
"""


def _ways(installation: Installation, pod: str, container: str) -> dict[str, bool]:
    asked = [f"{installation.release}-{name}={port}" for name, port in PORTS.items()]
    command = ["/usr/bin/python3.11", "-I", "-S", "-c", _TRY, *asked, "kubernetes.default.svc=443"]
    said = installation.kubectl("exec", pod, "--container", container, "--", *command).stdout
    return {name.removeprefix(f"{installation.release}-"): way for name, way in json.loads(said).items()}


@pytest.mark.parametrize("process", [name for facts in FACTS.values() for name in facts["processes"]])
def test_a_pod_reaches_whom_it_talks_to_and_nobody_else(installation: Installation, process: str) -> None:
    [component] = [name for name, facts in FACTS.items() if process in facts["processes"]]
    pods = [pod for pod in installation.pods(component) if pod["metadata"]["labels"]["lakehold/process"] == process]
    if not pods:
        assert process not in installation.processes()
        return
    expected = {name: name in FACTS[component]["talks"] for name in PORTS}
    expected["kubernetes.default.svc"] = process in ("airflow-scheduler", "airflow-api")
    assert _ways(installation, pods[0]["metadata"]["name"], process) == expected
