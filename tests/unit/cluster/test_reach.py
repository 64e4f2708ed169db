"""An installation in a cluster as a site of this machine; tunnels that come back."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import pytest
from lakehold.cluster import reach, selection
from lakehold.cluster.commands import Cluster
from lakehold.cluster.tunnel import tunnels
from lakehold.components.registry import COMPONENTS
from lakehold.errors import ConfigError, NotRunningError, RunFailedError

CLUSTER = Cluster(context="prod", namespace="data", release="lakehold")
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "mine-trino", "labels": {"app.kubernetes.io/component": "trino"}},
    "spec": {"ports": [{"name": "main", "port": 18443}]},
}
SETTINGS = {"kind": "ConfigMap", "metadata": {"name": "mine-cluster"}, "data": {"cluster.json": '{"settings": {}}'}}
TRINO = {
    "kind": "Deployment",
    "spec": {"template": {"spec": {"volumes": [
        {"name": "work", "emptyDir": {}},
        {"name": "given", "projected": {"sources": [
            {"configMap": {"name": "mine-cluster"}},
            {"secret": {"name": "my-keys", "items": [{"key": "trino.admin", "path": "secrets/trino.admin"}]}},
            {"secret": {"name": "my-tls", "items": [
                {"key": "ca.crt", "path": "tls/ca.crt"}, {"key": "tls.crt", "path": "tls/tls.crt"},
            ]}},
            {"secret": {"name": "their-postgres", "items": [{"key": "ca.crt", "path": "tls/postgres.crt"}]}},
        ]}},
    ]}}},
}  # fmt: skip


def test_everything_is_found_by_what_it_is_and_not_by_its_name() -> None:
    found = [SERVICE, SETTINGS, TRINO]
    assert reach.services(found, ["trino"], CLUSTER) == {"trino": ("mine-trino", 18443)}
    assert reach.mounted(found) == (["my-keys"], "my-tls")
    assert reach.description(found, CLUSTER) == {"settings": {}}


def test_the_nodes_of_trino_are_not_where_people_ask() -> None:
    nodes = {**SERVICE, "metadata": {**SERVICE["metadata"], "name": "mine-trino-nodes"}, "spec": {
        **SERVICE["spec"], "clusterIP": "None",
    }}  # fmt: skip
    assert reach.services([SERVICE, nodes], ["trino"], CLUSTER) == {"trino": ("mine-trino", 18443)}


def test_what_is_outside_has_keys_of_its_own_and_is_not_looked_for_in_the_cluster() -> None:
    sources = [
        {"secret": {"name": "my-keys", "items": [{"key": "postgres.trino", "path": "secrets/postgres.trino"}]}},
        {"secret": {"name": "theirs", "items": [{"key": "s3.trino", "path": "secrets/s3.trino"}]}},
    ]
    pods = {"kind": "Deployment", "spec": {"template": {"spec": {"volumes": [{"projected": {"sources": sources}}]}}}}
    assert reach.mounted([TRINO, pods]) == (["my-keys", "theirs"], "my-tls")
    described = {"settings": {"s3": {"endpoint": "https://s3.example.org"}}}
    assert reach.inside(["objectstore", "trino"], described) == ["trino"]
    assert reach.inside(["objectstore", "trino"], {"settings": {"s3": {"endpoint": None}}}) == ["objectstore", "trino"]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(NotRunningError, match="no release lakehold"):
        reach.description([SERVICE], CLUSTER)
    with pytest.raises(NotRunningError, match="has no objectstore of its own"):
        reach.services([SERVICE], ["trino", "objectstore"], CLUSTER)


def test_a_site_is_reached_by_the_tunnels_ports(tmp_path: Path) -> None:
    described = {"settings": {"catalog": {"name": "other"}}}
    site = reach.site(described, checkout=tmp_path, state=tmp_path, ports={"trino": 1234}, secrets={"trino.admin": "x"})
    assert (site.at("trino"), site.host, site.ports["trino"]) == ("127.0.0.1", "127.0.0.1", 1234)
    assert site.settings.catalog.name == "other"


def test_remedies_speak_of_the_cluster() -> None:
    with pytest.raises(NotRunningError) as gone, reach.remedies(CLUSTER):
        raise NotRunningError("Trino does not answer.", remedy="lakehold up trino")
    assert gone.value.remedy == "lakehold doctor --context prod --namespace data"
    with pytest.raises(RunFailedError) as failed, reach.remedies(CLUSTER):
        raise RunFailedError("it failed", remedy="lakehold logs trino")
    assert failed.value.remedy == "lakehold logs trino --context prod --namespace data"


@pytest.mark.parametrize(
    ("name", "selector", "container"),
    [
        ("trino", "app.kubernetes.io/component in (trino,trino-setup)", ""),
        ("airflow-scheduler", "lakehold/process=airflow-scheduler", ""),
        ("lineage-migrate", "app.kubernetes.io/component=lineage-setup", "lineage-migrate"),
        ("airflow-task", "app.kubernetes.io/component=airflow-task", ""),
        ("spark-executor", "app.kubernetes.io/component=spark-executor", ""),
        ("trino-worker", "app.kubernetes.io/component=trino-worker", ""),
        ("keys", "app.kubernetes.io/component=keys", ""),
        (None, "app.kubernetes.io/component notin (airflow-task,spark-executor)", ""),
    ],
)
def test_a_name_selects_pods(name: str | None, selector: str, container: str) -> None:
    found = selection.select(name, COMPONENTS)
    assert (found.selector, found.container) == (selector, container)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match='Did you mean "trino"'):
        selection.select("trio", COMPONENTS)


FORWARD = """#!{python}
import socket, sys
local = next(word for word in sys.argv if ":" in word).split(":")[0]
server = socket.create_server(("127.0.0.1", int(local or 0)))
print("Handling nothing yet", flush=True)
print("Forwarding from 127.0.0.1:%d -> 18443" % server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.sendall(b"hello")
"""


def kubectl(folder: Path, text: str) -> Cluster:
    path = folder / "kubectl"
    path.write_text(text.replace("{python}", os.path.realpath("/proc/self/exe")), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Cluster(context="prod", namespace="data", release="lakehold", kubectl=str(path))


def hello(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(5)


def eventually(port: int) -> bytes:
    for _ in range(600):
        try:
            return hello(port)
        except OSError:
            time.sleep(0.1)
    return b"nobody listens"


def test_a_tunnel_that_ends_comes_back_at_the_same_port(tmp_path: Path) -> None:
    with tunnels(kubectl(tmp_path, FORWARD), {"trino": ("lakehold-trino", 18443)}) as ports:
        assert hello(ports["trino"]) == b"hello"
        # The forward ended with its connection; the next one listens after a pause.
        assert eventually(ports["trino"]) == b"hello"


def test_a_tunnel_that_cannot_be_made_says_what_kubectl_said(tmp_path: Path) -> None:
    fails = "#!/bin/sh\necho 'Error from server (NotFound): services \"lakehold-trino\" not found' >&2\nexit 1\n"
    with (
        pytest.raises(NotRunningError, match="cannot be reached") as raised,
        tunnels(kubectl(tmp_path, fails), {"trino": ("lakehold-trino", 18443)}),
    ):
        pass
    assert 'services "lakehold-trino" not found' in raised.value.why
