"""A chart that is installed on a real cluster, driven as its users drive it: by helm, kubectl and forwarded ports."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
import trino
from chart_values import CHART, NAMESPACE, RELEASE
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS
from lakehold.errors import LakeholdError
from lakehold.lineage.client import ask
from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run, TaskState
from waiting import wait_for

REGION = "us-east-1"
HOSTS = {name: f"{name}.lakehold.test" for name in ("airflow", "trino", "lineage")}
"""Where people come in by the ingress."""
PORTS = {name: facts["port"] for name, facts in declared(COMPONENTS)["components"].items()}
Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Helm and kubectl, and what they have taken."""

    kubectl_command: tuple[str, ...]
    helm_command: tuple[str, ...]
    kubeconfig: Path
    times: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    """In MB."""

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run([*self.kubectl_command, *arguments], check, stdin)

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run([*self.helm_command, *arguments], check, None)

    def objects(self, kind: str, *arguments: str) -> list[Object]:
        return list(json.loads(self.kubectl("get", kind, "-o", "json", *arguments).stdout)["items"])

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.times[what] = time.monotonic() - began

    def memory(self, namespace: str) -> dict[str, float]:
        """MB of every pod's working set, as its node's kubelet counts it: what it would be evicted for."""
        nodes = {pod["spec"].get("nodeName") for pod in self.objects("pods", "--namespace", namespace)} - {None}
        paths = [f"/api/v1/nodes/{node}/proxy/stats/summary" for node in nodes]
        pods = [pod for path in paths for pod in json.loads(self.kubectl("get", "--raw", path).stdout)["pods"]]
        return {
            pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] / 1e6
            for pod in pods
            if pod["podRef"]["namespace"] == namespace and "memory" in pod
        }

    def _run(self, command: list[str], check: bool, stdin: str | None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, input=stdin, timeout=2400)
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A release of the chart in a namespace."""

    cluster: Cluster
    profile: str = "trial"
    release: str = RELEASE
    namespace: str = NAMESPACE
    keys: str = RELEASE
    """What the names of its two Secrets begin with."""
    values: tuple[str, ...] = ()
    """What else helm is told of this installation: each time, as people's own values file is."""
    _forwards: dict[str, tuple[subprocess.Popen[str], int]] = field(default_factory=dict)

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, check=check, stdin=stdin)

    def helm(self, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run helm on this release; ``install`` and ``upgrade`` are given the chart and the profile."""
        words = [verb, self.release]
        if verb in ("install", "upgrade"):
            words += [str(CHART), "--values", str(CHART / "profiles" / f"{self.profile}.yaml")]
            words += [*self.values, "--wait", "--wait-for-jobs", "--timeout", "30m"]
        return self.cluster.helm(*words, "--namespace", self.namespace, *arguments, check=check)

    def pods(self, component: str = "") -> list[Object]:
        """The release's pods that are to stay: those of its workloads."""
        words = [f"app.kubernetes.io/instance={self.release}", "lakehold/process"]
        words += [f"app.kubernetes.io/component={component}"] if component else []
        return self.cluster.objects("pods", "--namespace", self.namespace, "--selector", ",".join(words))

    def processes(self) -> list[str]:
        return sorted({pod["metadata"]["labels"]["lakehold/process"] for pod in self.pods()})

    def unready(self) -> list[str]:
        """Pods that are not ready, or are on their way out."""
        return [pod["metadata"]["name"] for pod in self.pods() if not ready(pod)]

    def settle(self) -> None:
        """Wait until a change has been carried out."""
        wait_for(lambda: self.unready() == [], 300, "every pod is ready, and the old ones have gone")
        # The ways through kubectl lead to pods that may be gone.
        self.close()

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        return self._secret("secrets")

    @cached_property
    def authority(self) -> Path:
        """The file with the certificate that Trino's is checked against."""
        folder = tempfile.mkdtemp(prefix="lakehold-ca-")
        path = Path(folder) / "ca.pem"
        path.write_text(self._secret("tls")["ca.crt"], encoding="utf-8")
        return path

    def _secret(self, suffix: str) -> dict[str, str]:
        found = self.kubectl("get", "secret", f"{self.keys}-{suffix}", "-o", "json").stdout
        return {name: base64.b64decode(value).decode() for name, value in json.loads(found)["data"].items()}

    def port(self, component: str) -> int:
        """A port of this machine that leads to a component; it is made anew when what it led to has gone."""
        kept = self._forwards.get(component)
        if kept is None or kept[0].poll() is not None:
            self._forwards[component] = kept = self._forward(component)
        return kept[1]

    def _forward(self, component: str) -> tuple[subprocess.Popen[str], int]:
        target = [f"service/{self.release}-{component}", f":{PORTS[component]}"]
        command = [*self.cluster.kubectl_command, "--namespace", self.namespace, "port-forward", *target]
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        readable, _, _ = select.select([process.stdout], [], [], 60)
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline() if readable else "")
        if not found:
            self._end(process)
            raise ConnectionError(f"{component} cannot be reached")
        return process, int(found[1])

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()

    def close(self) -> None:
        for process, _ in self._forwards.values():
            self._end(process)
        self._forwards.clear()
        if path := self.__dict__.pop("authority", None):
            shutil.rmtree(path.parent)

    def sql(self, statement: str, user: str = "admin") -> list[dict[str, str]]:
        """Ask Trino; every value as text."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority)
        login = trino.auth.BasicAuthentication(user, self.secrets[f"trino.{user}"])
        address = {"host": "127.0.0.1", "port": self.port("trino"), "http_scheme": "https"}
        with closing(trino.dbapi.connect(**address, user=user, auth=login, http_session=session)) as connection:
            cursor = connection.cursor()
            rows = cursor.execute(statement).fetchall()
            names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, ("" if value is None else str(value) for value in row), strict=True)) for row in rows]

    def airflow(self) -> AirflowClient:
        """A session with Airflow, as its administrator."""
        return AirflowClient(f"http://127.0.0.1:{self.port('airflow')}", "admin", self.secrets["airflow.admin"])

    def variables(self) -> dict[str, str]:
        """Where the airline delivers to, as ``lakehold env`` has it."""
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port('objectstore')}",
            "AWS_REGION": REGION,
            "LAKEHOLD_DELIVERY_SECRET_ACCESS_KEY": self.secrets["s3.delivery"],
        }

    def lineage(self, list_: str, **filters: str | int) -> list[dict[str, Any]]:
        """The rows of one of the lineage service's lists."""
        return ask(f"http://127.0.0.1:{self.port('lineage')}", self.secrets["lineage.token"], list_, filters)

    def start(self, interval: Interval, dag: str = "flights_daily") -> Run:
        with self.airflow() as airflow:
            airflow.wait_for_dag(dag)
            return airflow.start(dag, interval)

    def finish(self, run: Run, seconds: float = 1800) -> list[TaskState]:
        """Wait for the end of a run, which has to be a good one; its tasks."""

        def ended() -> bool:
            state = self.patiently(lambda airflow: airflow.run(run).state)
            return state in FINISHED

        wait_for(ended, seconds, f"{run.dag_id} {run.run_id} ends")
        with self.airflow() as airflow:
            state, tasks = airflow.run(run).state, airflow.tasks(run)
            failed = [task for task in tasks if task.state == "failed"]
            logs = "\n".join(line for task in failed for line in airflow.log(run, task)[-15:])
        assert state == "success", f"{[(task.name, task.state, task.attempt) for task in tasks]}\n{logs}"
        return tasks

    def patiently(self, question: Callable[[AirflowClient], Any]) -> Any:
        """Ask Airflow; None while it, its database or the way to it is being started again."""
        with contextlib.suppress(ConnectionError, LakeholdError), self.airflow() as airflow:
            return question(airflow)
        return None


def restricted_namespace(name: str) -> Object:
    """A namespace that takes only pods of the level "restricted", and tells of what it would not take."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def ready(pod: Object) -> bool:
    """Whether a pod is ready, and to stay."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restarts(pod: Object) -> int:
    """How often containers of a pod were started again."""
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
