"""From one manifest to another: what changes, what starts again and why, what runs."""

from __future__ import annotations

import pytest
from lakehold.cluster import objects
from lakehold.cluster.changes import Change, Changes, Restart, Runs, compare
from lakehold.cluster.objects import Key, Object

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: lakehold-cluster, labels: {helm.sh/chart: lakehold-0.1.0}}
data:
  cluster.json: |
    {
      "settings": {"trino": {"heap": "2G"}, "airflow": {"parallelism": 4}}
    }
"""
TRINO = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: lakehold-trino, labels: {helm.sh/chart: lakehold-0.1.0}}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {component: trino}}
  template:
    metadata: {annotations: {checksum/cluster: cccc, checksum/settings.trino: aaaa}}
    spec:
      initContainers: [{name: configure, image: here/platform:0.1.0}]
      containers:
        - {name: trino, image: "here/trino:0.1.0", resources: {limits: {memory: 3900Mi}}}
"""
POSTGRES = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: lakehold-postgres}
spec:
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {resources: {requests: {storage: 4Gi}}}
  template: {spec: {containers: [{name: postgres, image: here/postgres:0.1.0}]}}
"""
MIGRATE = """
apiVersion: batch/v1
kind: Job
metadata: {name: lakehold-lineage-migrate-0a1b2c3d}
spec: {template: {spec: {containers: [{name: lineage-migrate, image: "here/platform:0.1.0"}]}}}
"""
TEST_HOOK = """
apiVersion: v1
kind: Pod
metadata: {name: lakehold-test, annotations: {helm.sh/hook: test}}
spec: {containers: [{name: test, image: here/platform:0.1.0}]}
"""
ALL = (SETTINGS, TRINO, POSTGRES, MIGRATE, TEST_HOOK)


def manifest(*documents: str, **replaced: str) -> dict[Key, Object]:
    text = "\n---".join(documents)
    for old, new in replaced.items():
        text = text.replace(old, new)
    return objects.read(text)


def changed(old: str, new: str) -> Changes:
    text = "\n---".join(ALL)
    assert old in text
    return compare(objects.read(text), objects.read(text.replace(old, new)))


def test_the_same_is_no_change() -> None:
    assert not compare(manifest(*ALL), manifest(*ALL))


def test_a_setting_is_told_by_its_name_and_not_by_the_sums_over_it() -> None:
    text = "\n---".join(ALL)
    found = compare(objects.read(text), objects.read(text.replace('"2G"', '"3G"').replace("aaaa", "bbbb")))
    assert found.changed == (
        Change(objects=("ConfigMap/lakehold-cluster",), field="data[cluster.json].settings.trino.heap", before="2G",
               after="3G"),
    )  # fmt: skip
    assert found.restarts == (Restart(workload="Deployment/lakehold-trino", why="settings.trino.heap", gap=True),)


def test_a_workload_starts_again_for_a_setting_of_its_own_and_not_for_what_changed_besides() -> None:
    text = "\n---".join(ALL)
    after = text.replace('"2G"', '"3G"').replace("aaaa", "bbbb").replace('"parallelism": 4', '"parallelism": 8')
    (restart,) = compare(objects.read(text), objects.read(after)).restarts
    assert restart.why == "settings.trino.heap"


def test_an_image_and_a_limit_say_why_a_workload_starts_again() -> None:
    (image,) = changed("here/trino:0.1.0", "here/trino:0.2.0").restarts
    assert image.why == "image trino:0.1.0 → trino:0.2.0"
    (limit,) = changed("3900Mi", "5Gi").restarts
    assert limit.why == "trino.resources.limits.memory 3900Mi → 5Gi"


def test_what_does_not_reach_a_pod_restarts_nothing() -> None:
    found = changed("helm.sh/chart: lakehold-0.1.0", "helm.sh/chart: lakehold-0.2.0")
    assert found.changed == (
        Change(objects=("ConfigMap/lakehold-cluster", "Deployment/lakehold-trino"),
               field="metadata.labels[helm.sh/chart]", before="lakehold-0.1.0", after="lakehold-0.2.0"),
    )  # fmt: skip
    assert not found.restarts
    assert not found.runs


def test_a_job_runs_when_its_sum_is_another() -> None:
    text = "\n---".join(ALL)
    after = text.replace("migrate-0a1b2c3d", "migrate-ffffffff").replace(
        'name: lineage-migrate, image: "here/platform:0.1.0"', 'name: lineage-migrate, image: "here/platform:0.2.0"'
    )
    found = compare(objects.read(text), objects.read(after))
    assert found.runs == (Runs(job="lakehold-lineage-migrate-ffffffff", why="image platform:0.1.0 → platform:0.2.0"),)
    assert not found.added
    assert not found.removed


def test_what_is_new_appears_and_what_is_not_there_any_more_goes() -> None:
    found = compare(manifest(SETTINGS, TRINO), manifest(SETTINGS, POSTGRES, MIGRATE))
    assert found.added == ("StatefulSet/lakehold-postgres",)
    assert found.removed == ("Deployment/lakehold-trino",)
    assert found.runs == (Runs(job="lakehold-lineage-migrate-0a1b2c3d", why="it is new"),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("storage: 4Gi", "storage: 8Gi", "spec.volumeClaimTemplates[data].spec.resources.requests.storage is 4Gi"),
        ("component: trino", "component: other", "spec.selector.matchLabels.component is trino"),
    ],
)
def test_what_kubernetes_refuses_is_known_before(old: str, new: str, said: str) -> None:
    (refused,) = changed(old, new).refused
    assert said in refused


def test_a_hook_belongs_to_no_upgrade() -> None:
    assert Key(kind="Pod", name="lakehold-test") not in manifest(*ALL)


@pytest.mark.parametrize(
    ("text", "number"), [("250m", 0.25), ("1Gi", 2**30), ("2", 2), (3, 3), ("1e3", 1000), ("3k", 3000)]
)
def test_quantities(text: str | int, number: float) -> None:
    assert objects.quantity(text) == number


def test_text_that_is_a_document_is_looked_into_and_other_text_is_not() -> None:
    flat = dict(
        objects.flat({"data": {"a.yaml": "a:\n  b: 1\n", "motd": "several\nlines"}, "items": [{"name": "x", "v": 1}]})
    )
    assert flat == {"data[a.yaml].a.b": 1, "data.motd": "several\nlines", "items[x].name": "x", "items[x].v": 1}
