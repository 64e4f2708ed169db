"""Network policies, as the cluster enforces them: who reaches whom is what the declarations say, and nothing else."""

from __future__ import annotations

import json

import pytest
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS
from real_cluster import PORTS, Installation
from waiting import wait_for

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
    own = pod.removeprefix(f"{installation.release}-")
    # Whether a pod reaches itself by its Service is the network's affair.
    asked = [f"{installation.release}-{name}={port}" for name, port in PORTS.items() if not own.startswith(name)]
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
    expected = {name: name in FACTS[component]["talks"] for name in PORTS if name != component}
    expected["kubernetes.default.svc"] = process in ("airflow-scheduler", "airflow-api")
    name = pods[0]["metadata"]["name"]
    closed = {other for other, open_ in expected.items() if not open_}
    seen: list[dict[str, bool]] = []

    def all_open() -> bool:
        """An open way may have nobody at its end for a moment; a closed one must be closed each time."""
        seen.append(_ways(installation, name, process))
        return all(seen[-1][other] for other in expected if other not in closed)

    wait_for(all_open, 120, f"{process} reaches {sorted(set(expected) - closed)}")
    assert [way for way in seen if any(way[other] for other in closed)] == []
