"""The profile `restricted`: installed by somebody with rights in one namespace only, on Secrets of their own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lakehold.cluster.declared import declared
from lakehold.components import certificates
from lakehold.components.generated import generate
from lakehold.components.registry import COMPONENTS
from real_cluster import Cluster, Installation, restricted_namespace
from waiting import wait_for

OWN = "careful"
WHO = "careful-person"
RIGHTS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": WHO, "namespace": OWN},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": WHO}],
}
"""What a cluster's owner gives whoever is to look after a namespace, by Kubernetes' own role."""


def _asks(cpu: str) -> dict[str, object]:
    return {"resources": {"requests": {"cpu": cpu}}}


LITTLE = {
    **dict.fromkeys(("setup", "postgres", "objectstore", "lineage"), _asks("30m")),
    "trino": _asks("200m"),
    "airflow": dict.fromkeys(("api", "scheduler", "dagProcessor", "triggerer", "task"), _asks("60m")),
}
"""The other installation asks for most of two cores."""


def _secrets() -> list[dict[str, object]]:
    """What the chart is not to make: passwords and keys, and Trino's certificate."""
    now, keys = dt.datetime.now(dt.UTC), (certificates.new_key(), certificates.new_key())
    authority = certificates.authority(keys[0], now)
    server = certificates.server(keys[1], authority, keys[0], [f"{OWN}-trino"], now)
    certificate = {"ca.crt": certificates.pem(authority), "tls.crt": certificates.pem(server)}
    values = {
        "lakehold-secrets": {name: generate(name) for name in declared(COMPONENTS)["secrets"]},
        "lakehold-tls": {**certificate, "tls.key": certificates.pem_key(keys[1])},
    }
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": OWN}, "stringData": texts}
        for name, texts in values.items()
    ]


@pytest.fixture(scope="module")
def careful(cluster: Cluster, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The profile, installed."""
    little = tmp_path_factory.mktemp("values") / "little.yaml"
    little.write_text(yaml.safe_dump(LITTLE), encoding="utf-8")
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([restricted_namespace(OWN), RIGHTS]))
    installed = Installation(
        cluster=cluster,
        profile="restricted",
        release=OWN,
        namespace=OWN,
        keys="lakehold",
        values=("--values", str(images), "--values", str(little), "--kube-as-user", WHO),
    )
    try:
        installed.kubectl("apply", "-f", "-", "--as", WHO, stdin=yaml.safe_dump_all(_secrets()))
        with cluster.timed("helm install of the profile restricted, until every pod is ready"):
            installed.helm("install")
            wait_for(lambda: installed.unready() == [], 300, "every pod is ready")
        yield installed
    finally:
        installed.close()
        installed.helm("uninstall", "--wait", check=False)
        cluster.kubectl("delete", "namespace", OWN, "--wait", check=False)


def test_who_may_do_nothing_outside_of_a_namespace_can_install_it(careful: Installation) -> None:
    asked = careful.cluster.kubectl("auth", "can-i", "list", "nodes", "--as", WHO, check=False)
    assert "no" in asked.stdout.split()
    careful.helm("test", "--timeout", "5m", "--kube-as-user", WHO)


def test_it_makes_no_secret_and_takes_the_ones_that_are_there(careful: Installation) -> None:
    found = careful.cluster.objects("secrets", "--namespace", OWN)
    made = {one["metadata"]["name"] for one in found if one["type"] != "helm.sh/release.v1"}
    assert made == {"lakehold-secrets", "lakehold-tls"}
    assert careful.sql("select current_user as who") == [{"who": "admin"}]
