"""What is rendered is what Kubernetes takes: by its schemas, by the API server itself, and by an auditor's rules."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from lakehold.cluster.objects import of_job
from node import checks, layout, programs
from real_cluster import Cluster, Object

PROFILES = sorted(path.stem for path in (Path(__file__).parents[2] / "helm" / "lakehold" / "profiles").glob("*.yaml"))
WHOLE = (
    *("ingress.hosts.airflow=flows.example.org", "ingress.tlsSecret=flows", "lineage.replicas=2"),
    *("secrets.outside=mine", "airflow.git.url=https://git.example.org/dags.git", "airflow.git.token=true"),
    *("spark.executors=2", "trino.workers.replicas=2", "trino.workers.autoscale.most=4"),
    *("openmetadata.enabled=true", "openmetadata.image=example.org/om/server:2"),
    "openmetadata.opensearch.image=example.org/os/opensearch:3",
    *("openmetadata.database.host=o.example.org", "openmetadata.database.sslmode=verify-full"),
    *("openmetadata.database.ca.configMap=authority", "postgres.outside.sslmode=verify-full"),
    *("postgres.outside.ca.secret=authority", "settings.openlineage.url=https://lineage.example.org/api/v1/lineage"),
)
"""Everything that is off by default, but for Celery: its tasks start no pods."""
CELERY = ("airflow.executor=CeleryExecutor", "spark.executors=0")
CASES = [*((profile, WHOLE) for profile in PROFILES), ("production", (*WHOLE, *CELERY))]
Template = Callable[..., subprocess.CompletedProcess[str]]

every_profile = pytest.mark.parametrize(("profile", "more"), CASES, ids=[*PROFILES, "production-celery"])


@pytest.fixture(scope="session")
def schemas() -> Path:
    return checks.schemas(layout.default())


@every_profile
def test_every_object_is_one_its_schema_allows(
    template: Template, schemas: Path, profile: str, more: Sequence[str]
) -> None:
    location = str(schemas / "{{ .ResourceKind }}{{ .KindSuffix }}.json")
    command = [str(programs.ensure(layout.default(), "kubeconform")), "-strict", "-summary", "-output", "json"]
    rendered = template(profile, *more).stdout
    done = subprocess.run([*command, "-schema-location", location], input=rendered, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert said["summary"]["valid"] > 30
    assert said["summary"]["skipped"] == 0


def test_a_wrong_object_is_found(schemas: Path) -> None:
    wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: [80]}\n"
    location = str(schemas / "{{ .ResourceKind }}{{ .KindSuffix }}.json")
    command = [str(programs.ensure(layout.default(), "kubeconform")), "-strict", "-schema-location", location]
    assert subprocess.run(command, input=wrong, capture_output=True, text=True).returncode != 0


@every_profile
def test_the_api_server_would_take_every_object(
    cluster: Cluster, namespace: str, render: Callable[..., list[Object]], profile: str, more: Sequence[str]
) -> None:
    """Strictly: an unknown field is an error, and so is what the namespace's Pod Security level warns of."""
    objects = copy.deepcopy(render(profile, *more))
    for pod in (one for one in objects if one["kind"] == "Pod"):
        # Its own account is not there in a rehearsal, and a pod's has to be.
        pod["spec"]["serviceAccountName"] = "default"
    words = ("apply", "--dry-run=server", "--validate=strict", "--namespace", namespace, "-f", "-")
    done = cluster.kubectl(*words, stdin=yaml.safe_dump_all(objects))
    assert "Warning" not in done.stderr, done.stderr


@every_profile
def test_an_auditor_has_nothing_to_say(template: Template, tmp_path: Path, profile: str, more: Sequence[str]) -> None:
    """checkov's rules for Kubernetes, but for those that tests/cluster/node/checks.py names with a reason."""
    (tmp_path / "rendered.yaml").write_text(template(profile, *more).stdout, encoding="utf-8")
    command = [
        *checks.checkov(),
        *("--file", str(tmp_path / "rendered.yaml"), "--framework", "kubernetes", "--output", "json", "--quiet"),
        *("--compact", "--skip-check", ",".join(checks.SKIPPED)),
    ]
    # It would ask its maker's service otherwise.
    environment = {**os.environ, "BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["summary"]["passed"] > 100
    failed = {(one["check_id"], of_job(one["resource"])) for one in found["results"]["failed_checks"]}
    assert sorted(failed - set(checks.EXEMPT)) == []
