"""Asking an older version: the pod that is made of its Job, and which revision is the one before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lakehold.cluster import fits, objects, revisions
from lakehold.components.registry import COMPONENTS
from lakehold.errors import ConfigError

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: lakehold-cluster}
data: {cluster.json: '{"settings": {"old": true}}'}
---
apiVersion: batch/v1
kind: Job
metadata: {name: lakehold-lineage-migrate-0a1b2c3d}
spec:
  template:
    metadata: {labels: {app.kubernetes.io/component: lineage-setup}}
    spec:
      restartPolicy: Never
      serviceAccountName: lakehold
      initContainers:
        - {name: reach, command: [python, launch.py, --reach, "900", "lakehold-postgres:15432"]}
        - {name: configure, command: [configure, lineage]}
      containers:
        - name: lineage-migrate
          image: here/platform:0.1.0
          command: [python, launch.py, --task, "900", lineage-migrate]
      volumes:
        - name: given
          projected:
            sources: [{configMap: {name: lakehold-cluster}}, {secret: {name: lakehold-secrets}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: lakehold-postgres-roles-0a1b2c3d}
spec: {template: {spec: {containers: [{name: postgres-roles}]}}}
"""


def question() -> fits.Question:
    (found,) = fits.questions(objects.read(MANIFEST), COMPONENTS, "abc")
    return found


def test_the_older_version_s_own_image_is_asked_once_and_changes_nothing() -> None:
    pod = question().pod
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "here/platform:0.1.0"
    assert container["command"] == ["python", "launch.py", "--task", "0", "lineage-migrate.fits"]
    assert pod["spec"]["initContainers"][0]["command"][3] == "30"
    assert pod["metadata"]["name"] == "lakehold-lineage-migrate-fits-abc"
    # By its labels the network's policies let it reach the database.
    assert pod["metadata"]["labels"] == {"app.kubernetes.io/component": "lineage-setup"}


def test_it_is_given_the_settings_of_its_time() -> None:
    made = json.loads(question().dumps())["items"]
    settings, pod = made
    assert settings["data"] == {"cluster.json": '{"settings": {"old": true}}'}
    sources = pod["spec"]["volumes"][0]["projected"]["sources"]
    assert sources[0]["configMap"]["name"] == settings["metadata"]["name"] != "lakehold-cluster"
    assert question().names == (
        "pod/lakehold-lineage-migrate-fits-abc",
        "configmap/lakehold-lineage-migrate-fits-abc-settings",
    )


def test_the_manifest_stays_as_it_is() -> None:
    read = objects.read(MANIFEST)
    fits.questions(read, COMPONENTS, "abc")
    assert read == objects.read(MANIFEST)


def test_migrations_of_lineage_and_airflow_can_be_asked() -> None:
    tasks = {task.name for part in COMPONENTS for task in part.before if task.fits is not None}
    assert tasks == {"lineage-migrate", "airflow-prepare"}


def revision(number: int, status: str) -> dict[str, Any]:
    return {"revision": number, "status": status, "chart": f"lakehold-0.{number}.0"}


HISTORY = [revision(1, "superseded"), revision(2, "failed"), revision(3, "deployed"), revision(4, "failed")]


@pytest.mark.parametrize(("wanted", "found"), [(None, 3), (1, 1), (2, 2)])
def test_the_revision_before_is_the_last_that_worked(wanted: int | None, found: int) -> None:
    assert revisions.before(HISTORY, wanted)["revision"] == found


@pytest.mark.parametrize(("history", "wanted"), [(HISTORY[:1], None), (HISTORY[1:3], None), (HISTORY, 4), (HISTORY, 9)])
def test_there_is_not_always_one(history: list[dict[str, Any]], wanted: int | None) -> None:
    with pytest.raises(ConfigError, match="to go back to"):
        revisions.before(history, wanted)
