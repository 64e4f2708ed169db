"""The production profile's pods on nodes that are only objects: in a namespace of the level "restricted"."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from chart_values import CHART
from lakehold.cluster.declared import example
from lakehold.components import airflow_config
from lakehold.components.registry import COMPONENTS
from node import fake_nodes, layout, programs
from real_cluster import Cluster, Object, ready, restricted_namespace

OWN, RELEASE = "lakehold-scale", "scale"
NODE = layout.default()
WORKER = "app.kubernetes.io/component=trino-worker"
TASK = "app.kubernetes.io/component=airflow-task"
ZONES = {"a": 24, "b": 18, "c": 18}
"""How many nodes are in each: not the same number."""
SIZE = {"cpu": "16", "memory": "64Gi", "pods": "110"}
_VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": OWN},
    "spec": {
        "storageClassName": OWN,
        "capacity": {"storage": "1Ti"},
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "nfs": {"server": "nfs.example.org", "path": "/"},
    },
}
"""The profile asks for storage that every node can write to; nobody mounts this."""
_RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim"}
_WORKERS = {"Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"}


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The chart's objects, the nodes' kubelets, and a folder for what else there is."""

    cluster: Cluster
    kubelets: fake_nodes.Kubelets
    rendered: list[Object]
    folder: Path

    def kubectl(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl("--namespace", OWN, *words, **more)

    def workers(self) -> list[Object]:
        """Trino's, that are ready, and to stay."""
        return [pod for pod in self.cluster.objects("pods", "--namespace", OWN, "--selector", WORKER) if ready(pod)]

    def tasks(self, phase: str = "") -> int:
        """How many pods of tasks there are; in a phase, or in any."""
        chosen = ("--field-selector", f"status.phase={phase}") if phase else ()
        return len(self.kubectl("get", "pods", "--selector", TASK, *chosen, "--no-headers").stdout.splitlines())

    def airflow(self, **options: str) -> dict[str, str]:
        """The environment of an Airflow that is configured as a cluster's is, with the chart's pod for its tasks."""
        [given] = [one for one in self.rendered if one["metadata"]["name"] == f"{RELEASE}-task" and "data" in one]
        pod = yaml.safe_load(given["data"]["task.yaml"])
        template = self.folder / "task.yaml"
        template.write_text(yaml.safe_dump({**pod, "spec": fake_nodes.placed(pod["spec"])}), encoding="utf-8")
        site = example(COMPONENTS)
        assert site.pods
        site = replace(site, pods=replace(site.pods, namespace=OWN, template=template))
        text = airflow_config.render(airflow_config.config(site))
        (self.folder / "airflow.cfg").write_text(text, encoding="utf-8")
        own = {
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{self.database}",
            "KUBERNETES_EXECUTOR__IN_CLUSTER": "False",
            "KUBERNETES_EXECUTOR__CONFIG_FILE": str(self._scheduler()),
            **options,
        }
        folders = dict.fromkeys(("HOME", "TMPDIR", "AIRFLOW_HOME"), str(self.folder))
        return {"PATH": "/usr/bin:/bin", **folders, **{f"AIRFLOW__{name}": value for name, value in own.items()}}

    @property
    def database(self) -> Path:
        """Airflow's: a file here."""
        return self.folder / "airflow.db"

    def _scheduler(self) -> Path:
        """A kubeconfig with the rights that the chart gives Airflow's scheduler, and no others."""
        known = json.loads(self.cluster.kubeconfig.read_text(encoding="utf-8"))
        [name] = [user["name"] for user in known["users"]]
        token = self.kubectl("create", "token", f"{RELEASE}-scheduler", "--duration=1h").stdout.strip()
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps({**known, "users": [{"name": name, "user": {"token": token}}]}), encoding="utf-8")
        return path


@contextmanager
def simulation(cluster: Cluster, folder: Path, *sets: str) -> Iterator[Simulation]:
    """Nodes, kubelets, and what of the profile (with these values) its workers' and tasks' pods need."""
    programs.ensure(NODE, "kwok")
    kubelets = fake_nodes.Kubelets(node=NODE, log=folder / "kwok.log")
    kubelets.play("live")
    try:
        _remove(cluster)
        names = [(zone, f"{OWN}-{zone}{number}") for zone, many in ZONES.items() for number in range(many)]
        fake_nodes.add(NODE, [fake_nodes.manifest(name, zone, SIZE) for zone, name in names])
        rendered = _render(cluster, sets)
        wanted = yaml.safe_dump_all([restricted_namespace(OWN), _VOLUME, *_chosen(rendered)])
        done = cluster.kubectl("apply", "--namespace", OWN, "-f", "-", stdin=wanted)
        assert "Warning" not in done.stderr, done.stderr
        fake_nodes.wait(NODE)
        yield Simulation(cluster=cluster, kubelets=kubelets, rendered=rendered, folder=folder)
    finally:
        try:
            # Pods can end while somebody plays their kubelets.
            _remove(cluster)
        finally:
            kubelets.end()


def _render(cluster: Cluster, sets: tuple[str, ...]) -> list[Object]:
    given = [word for one in (*sets, f"airflow.work.class={OWN}") for word in ("--set", one)]
    profile = ("--values", str(CHART / "profiles" / "production.yaml"))
    words = ("template", RELEASE, str(CHART), "--namespace", OWN, "--kube-version", "1.30.0")
    text = cluster.helm(*words, *profile, *given).stdout
    return [one for one in yaml.safe_load_all(text) if one]


def _chosen(rendered: list[Object]) -> list[Object]:
    """Trino's workers and what a task's pod asks for; nothing whose pods would be started on a real node."""
    found = [one for one in rendered if one["kind"] in _RIGHTS or (one["kind"] in _WORKERS and _of_workers(one))]
    for one in (copied := copy.deepcopy(found)):
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            template["spec"] = fake_nodes.placed(template["spec"])
    return copied


def _of_workers(one: Object) -> bool:
    return bool(one["metadata"]["labels"]["app.kubernetes.io/component"] == "trino-worker")


def _remove(cluster: Cluster) -> None:
    """Everything, of a run that was interrupted as well."""
    cluster.kubectl("delete", "namespace", OWN, "--ignore-not-found")
    cluster.kubectl("delete", "persistentvolume", OWN, "--ignore-not-found")
    fake_nodes.remove(NODE)
