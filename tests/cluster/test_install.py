"""The trial profile on a real cluster, in a namespace of the level "restricted"."""

from __future__ import annotations

from lakehold.cluster.declared import declared
from lakehold.cluster.objects import quantity
from lakehold.components.registry import COMPONENTS
from real_cluster import Cluster, Installation, ready, restarts


def test_every_pod_is_ready_and_none_had_to_be_started_again(installation: Installation) -> None:
    pods = installation.pods()
    assert [pod["metadata"]["name"] for pod in pods if not ready(pod)] == []
    assert {pod["metadata"]["name"]: restarts(pod) for pod in pods if restarts(pod)} == {}
    expected = {"postgres", "objectstore", "lineage", "trino", "airflow-api", "airflow-scheduler"}
    assert expected <= set(installation.processes())
    assert set(installation.processes()) <= {
        process for facts in declared(COMPONENTS)["components"].values() for process in facts["processes"]
    }


def test_at_rest_it_needs_no_more_memory_than_it_asks_for(installation: Installation) -> None:
    """So a node that has room for the requests has room for it."""
    pods = {pod["metadata"]["name"]: pod for pod in installation.pods()}
    used = {name: size for name, size in installation.cluster.memory(installation.namespace).items() if name in pods}
    assert set(used) == set(pods)
    installation.cluster.sizes["memory at rest, all pods"] = sum(used.values())
    for name, size in used.items():
        [container] = pods[name]["spec"]["containers"]
        installation.cluster.sizes[f"- {container['name']}"] = size
        assert size * 1e6 <= quantity(container["resources"]["requests"]["memory"]), name


def test_helm_test_passes_and_may_be_run_again(installation: Installation) -> None:
    with installation.cluster.timed("helm test"):
        installation.helm("test", "--timeout", "5m")
    installation.helm("test", "--timeout", "5m")


def test_what_runs_is_what_a_restricted_namespace_takes(cluster: Cluster, installation: Installation) -> None:
    [found] = [one for one in cluster.objects("namespaces") if one["metadata"]["name"] == installation.namespace]
    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert all(pod["spec"]["securityContext"]["runAsNonRoot"] for pod in installation.pods())


def test_nothing_of_the_release_is_outside_of_its_namespace(cluster: Cluster, installation: Installation) -> None:
    kinds = "clusterroles,clusterrolebindings,priorityclasses,storageclasses"
    labels = f"app.kubernetes.io/instance={installation.release}"
    assert cluster.objects(kinds, "--selector", labels) == []


def test_no_secret_is_in_what_helm_keeps(installation: Installation) -> None:
    words = ("get", "all", installation.release, "--namespace", installation.namespace)
    kept = installation.cluster.helm(*words).stdout
    assert [name for name, value in installation.secrets.items() if value in kept] == []
