"""Helm and the chart as it renders it; and, for what needs one, a real cluster with the chart installed."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from airline import Airline
from chart_values import CHART, NAMESPACE, RELEASE, TEMPLATE, read
from lakehold.components import certificates
from lakehold.pipelines.client import Interval, TaskState
from node import layout, machine, programs
from real_cluster import HOSTS, Cluster, Installation, ready, restarts, restricted_namespace
from waiting import wait_for

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
NODE = layout.default()
IMAGES = CHART.parents[1] / "dist" / "images"
_LAST = ("test_executors", "test_celery", "test_kill", "test_change", "test_reinstall", "test_restricted")
"""What changes the installation, in this order after everything else; then an installation beside it."""
_TIMES: dict[str, float] = {}
_SIZES: dict[str, float] = {}
_CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
_OWN = {
    "network": {"clients": [_CONTROLLER]},
    "ingress": {
        "class": "nginx",
        "tlsSecret": "ingress",
        "hosts": HOSTS,
        "trinoAnnotations": {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"},
    },
}
"""What people's values add to the profile: a way in from outside."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move what changes the installation to the end; what comes first may have to build and install everything."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(3600))
    items.sort(key=lambda item: _LAST.index(item.path.stem) + 1 if item.path.stem in _LAST else 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how long everything took that people will wait for, and what it needs."""
    if _TIMES or _SIZES:
        terminalreporter.section("measured on the real cluster")
        for what, seconds in _TIMES.items():
            terminalreporter.write_line(f"{seconds:8.1f} s   {what}")
        for what, size in _SIZES.items():
            terminalreporter.write_line(f"{size:8.1f} MB  {what}")
    if measured := os.environ.get("MEASURED"):
        Path(measured).write_text(json.dumps({"seconds": _TIMES, "megabytes": _SIZES}), encoding="utf-8")


@pytest.fixture(scope="session")
def helm() -> str:
    """The program: HELM, the one that the cluster's tests build, or the one on the PATH."""
    built = programs.program(NODE, "helm")
    found = os.environ.get("HELM") or (str(built) if built.is_file() else shutil.which("helm"))
    assert found, "there is no helm on the PATH, and HELM does not name one"
    return found


@pytest.fixture(scope="session")
def template(helm: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`helm template` with a profile and single values."""

    def run(profile: str = "trial", *sets: str) -> subprocess.CompletedProcess[str]:
        values = ["--values", str(CHART / "profiles" / f"{profile}.yaml")]
        given = [word for one in sets for word in ("--set", one)]
        command = [helm, *TEMPLATE, *values, *given]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The chart's objects."""

    @functools.cache
    def run(profile: str = "trial", *sets: str) -> list[Manifest]:
        done = template(profile, *sets)
        assert done.returncode == 0, done.stderr
        return read(done.stdout)

    return run


@pytest.fixture(scope="session")
def cluster(helm: str) -> Iterator[Cluster]:
    """A real Kubernetes; one that was up before stays."""
    was_up = machine.is_up(NODE)
    machine.ensure_up(NODE, lambda words: sys.stderr.write(f"{words}\n"))
    try:
        yield Cluster(
            kubectl_command=(str(programs.program(NODE, "kubeaio")), "kubectl"),
            helm_command=(helm,),
            kubeconfig=NODE.kubeconfig,
            times=_TIMES,
            sizes=_SIZES,
        )
    finally:
        if not was_up:
            machine.down(NODE)


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> str:
    """A namespace that takes only pods of the level "restricted"."""
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(restricted_namespace(NAMESPACE)))
    return NAMESPACE


@pytest.fixture(scope="session")
def rehearse(cluster: Cluster) -> Iterator[Callable[[Sequence[Manifest]], None]]:
    """Have the API server look at objects as if it made them, in a namespace of the level "restricted" that is empty.

    Strictly: an unknown field is an error, and so is what the namespace's level warns of.
    """
    name = "rehearsal"
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(restricted_namespace(name)))

    def run(objects: Sequence[Manifest]) -> None:
        here = copy.deepcopy([*objects])
        for one in here:
            one["metadata"]["namespace"] = name
            if one["kind"] == "Pod":
                # Its own account is not there in a rehearsal, and a pod's has to be.
                one["spec"]["serviceAccountName"] = "default"
        words = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
        done = cluster.kubectl(*words, stdin="\n---\n".join(map(json.dumps, here)))
        assert len(done.stdout.splitlines()) == len(here)
        assert "Warning" not in done.stderr, done.stderr

    yield run
    cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


@pytest.fixture(scope="session")
def way_in(cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the ingress's hosts, as a Secret; the file with its authority."""
    folder = tmp_path_factory.mktemp("ingress")
    now, keys = dt.datetime.now(dt.UTC), (certificates.new_key(), certificates.new_key())
    authority = certificates.authority(keys[0], now)
    server = certificates.server(keys[1], authority, keys[0], list(HOSTS.values()), now)
    files = {"ca.crt": certificates.pem(authority), "tls.crt": certificates.pem(server)}
    for name, text in {**files, "tls.key": certificates.pem_key(keys[1])}.items():
        (folder / name).write_text(text, encoding="utf-8")
    secret = ("secret", "tls", "ingress", f"--cert={folder / 'tls.crt'}", f"--key={folder / 'tls.key'}")
    own = ("--namespace", namespace)
    made = cluster.kubectl(*own, "create", *secret, "--dry-run=client", "-o", "json").stdout
    cluster.kubectl(*own, "apply", "-f", "-", stdin=made)
    return folder / "ca.crt"


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Path:
    """The images that `make images` built, in the node; the values that name them."""
    values = IMAGES / "values.yaml"
    assert values.is_file(), f"there are no images in {IMAGES}: make images"
    with cluster.timed("loading the images"):
        for name in yaml.safe_load(values.read_text(encoding="utf-8"))["images"]:
            machine.load(NODE, IMAGES / f"{name}.tar")
    return values


@pytest.fixture(scope="session")
def installation(
    cluster: Cluster, namespace: str, images: Path, way_in: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The trial profile with hosts of its own for people, installed, with every pod ready; one that is there stays."""
    assert way_in.is_file()
    own = tmp_path_factory.mktemp("values") / "own.yaml"
    own.write_text(yaml.safe_dump(_OWN), encoding="utf-8")
    installed = Installation(
        cluster=cluster, namespace=namespace, values=("--values", str(images), "--values", str(own))
    )
    was_there = installed.helm("status", check=False).returncode == 0
    try:
        if not was_there:
            _install(installed)
        yield installed
    finally:
        installed.close()
        if not was_there:
            cluster.helm("uninstall", RELEASE, "--namespace", namespace, "--wait", check=False)
            cluster.kubectl("delete", "namespace", namespace, "--wait", check=False)


def _install(installed: Installation) -> None:
    with installed.cluster.timed("helm install, until every pod is ready"):
        try:
            installed.helm("install")
            wait_for(lambda: not installed.unready(), 300, "every pod is ready")
        except BaseException:
            sys.stderr.write(_story(installed))
            raise


@pytest.fixture(scope="session")
def airline(installation: Installation) -> Airline:
    """The landing bucket holds the whole year."""
    airline = Airline(installation)
    airline.deliver_all()
    return airline


@pytest.fixture(scope="session")
def day(installation: Installation, airline: Airline) -> tuple[Installation, list[TaskState]]:
    """The first day has been run; the installation and the run's tasks."""
    assert airline.files
    with installation.cluster.timed("flights_daily for a day, the first one"):
        tasks = installation.finish(installation.start(Interval(start=dt.date(2013, 1, 1), end=dt.date(2013, 1, 2))))
    return installation, tasks


@pytest.fixture(autouse=True)
def story(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the namespace looked like when a test failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "installation" in request.fixturenames:
        sys.stderr.write(_story(request.getfixturevalue("installation")))


def _story(installed: Installation) -> str:
    """Every pod, and the end of the logs of those that are not ready."""
    pods = [*installed.pods()]
    told = [installed.kubectl("get", "pods,jobs,pvc", "-o", "wide", check=False).stdout]
    for pod in pods:
        if not ready(pod) or restarts(pod):
            name = pod["metadata"]["name"]
            told.append(f"--- {name}")
            told.append(installed.kubectl("describe", "pod", name, check=False).stdout[-1500:])
            told.append(installed.kubectl("logs", name, "--all-containers", "--tail=20", check=False).stdout)
    return "\n".join(told)
