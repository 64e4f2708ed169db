"""What is asked of ``kubectl`` and ``helm``: every command of the cluster's verbs, as lists of words; pure.

No command carries a password: secrets are read into memory, and manifests go in by standard input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PROCESS = "lakehold/process"
TASK_PODS = "airflow-task"
"""The component of the pods Airflow's tasks run in."""
EXECUTORS = "spark-executor"
"""The component of the pods such a task's Spark application works in."""
PASSING = (TASK_PODS, EXECUTORS)
"""They come and go by the hundred, and belong to no workload."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One release in one namespace of one cluster, and the programs that speak to it."""

    context: str
    namespace: str
    release: str
    kubectl: str = "kubectl"
    helm: str = "helm"

    @property
    def options(self) -> str:
        """How a verb of ours is told to speak of this release."""
        return f"--context {self.context} --namespace {self.namespace}" + (
            "" if self.release == RELEASE else f" --release {self.release}"
        )

    @property
    def instance(self) -> str:
        """The selector of everything of the release."""
        return f"{INSTANCE}={self.release}"


RELEASE = "lakehold"
"""The release's name where none is given."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What is to be installed: a chart's folder, archive or address, and the values on top of its own."""

    chart: str
    values: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    version: str = ""


def kubectl(cluster: Cluster, *words: str) -> list[str]:
    """Return a command of kubectl for this namespace."""
    return [cluster.kubectl, "--context", cluster.context, "--namespace", cluster.namespace, *words]


def get(cluster: Cluster, kinds: str, *words: str) -> list[str]:
    """Ask for objects, as JSON; ``words`` name or select them."""
    return kubectl(cluster, "get", kinds, *words, "--output", "json")


def of_release(cluster: Cluster, kinds: str, *components: str) -> list[str]:
    """Ask for the release's objects of these kinds, or only those of some components."""
    wanted = f",{COMPONENT} in ({','.join(components)})" if components else ""
    return get(cluster, kinds, "--selector", cluster.instance + wanted)


def warnings(cluster: Cluster, name: str = "") -> list[str]:
    """Ask for the warnings about one object, or about all of the namespace."""
    about = f"type=Warning,involvedObject.name={name}" if name else "type=Warning"
    return get(cluster, "events", "--field-selector", about)


def create(cluster: Cluster, *words: str) -> list[str]:
    """Make the objects on standard input, and print them as they became."""
    return kubectl(cluster, "create", "--filename", "-", *words, "--output", "json")


def delete(cluster: Cluster, *objects: str) -> list[str]:
    """Remove objects, each ``kind/name``, without waiting; those that are gone already are fine."""
    return kubectl(cluster, "delete", *objects, "--ignore-not-found", "--wait=false")


def container_log(cluster: Cluster, pod: str, container: str, *, lines: int, before: bool = False) -> list[str]:
    """Read the end of a container's log, or of the one that ran before it."""
    last = ["--previous"] if before else []
    return kubectl(cluster, "logs", pod, "--container", container, "--tail", str(lines), *last)


def logs(cluster: Cluster, selector: str, *, lines: int, follow: bool, container: str = "") -> list[str]:
    """Read the logs of all pods the selector finds, each line with its pod and container."""
    which = ["--container", container] if container else ["--all-containers"]
    # Without --ignore-errors a container that has not started yet would end it.
    words = ["logs", "--selector", selector, *which, "--prefix", "--ignore-errors", "--max-log-requests", "50"]
    return kubectl(cluster, *words, "--tail", str(lines), *(["--follow"] if follow else []))


def forward(cluster: Cluster, service: str, port: int, local: int = 0) -> list[str]:
    """Let this machine reach a Service; 0 lets kubectl choose a port of this machine, and say which."""
    return kubectl(
        cluster, "port-forward", f"service/{service}", f"{local or ''}:{port}", "--address", "127.0.0.1"
    )  # fmt: skip


def helm(cluster: Cluster, *words: str) -> list[str]:
    """Return a command of Helm for this namespace."""
    return [cluster.helm, *words, "--kube-context", cluster.context, "--namespace", cluster.namespace]


def install(cluster: Cluster, chart: Chart, *, dry: bool = False) -> list[str]:
    """Install, or have the cluster render and check what would be."""
    words = ["install", cluster.release, *_chart(chart), *(_DRY if dry else ["--create-namespace"])]
    return helm(cluster, *words, "--output", "json")


def upgrade(cluster: Cluster, chart: Chart, *, dry: bool = False) -> list[str]:
    """Upgrade, or have the cluster render and check what would be. Values given before stay, unless given anew."""
    words = ["upgrade", cluster.release, *_chart(chart), "--reset-then-reuse-values", *(_DRY if dry else [])]
    return helm(cluster, *words, "--output", "json")


def template(cluster: Cluster, chart: Chart, version: str) -> list[str]:
    """Render without asking the cluster anything: its version is given."""
    return [cluster.helm, "template", cluster.release, *_chart(chart), "--namespace", cluster.namespace,
            "--kube-version", version]  # fmt: skip


_DRY = ("--dry-run=server",)


def _chart(chart: Chart) -> list[str]:
    given = [word for path in chart.values for word in ("--values", str(path))]
    given += [word for one in chart.sets for word in ("--set", one)]
    return [chart.chart, *given, *(["--version", chart.version] if chart.version else [])]


def manifest(cluster: Cluster, revision: int = 0) -> list[str]:
    """Print the manifests of the release, as of now or of a revision."""
    return helm(cluster, "get", "manifest", cluster.release, *_revision(revision))


def listed(cluster: Cluster) -> list[str]:
    """Say which revision of which chart is installed, and how the last change of it ended."""
    return helm(cluster, "list", "--all", "--filter", f"^{cluster.release}$", "--output", "json")


def metrics(cluster: Cluster) -> list[str]:
    """Ask what the pods use, where the cluster measures it."""
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{cluster.namespace}/pods"
    return kubectl(cluster, "get", "--raw", path)


def history(cluster: Cluster) -> list[str]:
    """List the release's revisions."""
    return helm(cluster, "history", cluster.release, "--output", "json")


def back(cluster: Cluster, revision: int) -> list[str]:
    """Make the release what it was at a revision."""
    return helm(cluster, "rollback", cluster.release, str(revision))


def _revision(revision: int) -> Sequence[str]:
    return ["--revision", str(revision)] if revision else []
