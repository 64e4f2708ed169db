"""What is rendered is what Kubernetes takes: by its schemas, by the API server itself, and by an auditor's rules."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from node import checks, layout
from real_cluster import Object

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


@every_profile
def test_every_object_is_one_its_schema_allows(template: Template, profile: str, more: Sequence[str]) -> None:
    said = checks.conform(layout.default(), template(profile, *more).stdout)
    assert {name: said["summary"][name] for name in ("invalid", "errors", "skipped")} == {
        "invalid": 0,
        "errors": 0,
        "skipped": 0,
    }, said["resources"]
    assert said["summary"]["valid"] > 30


def test_a_wrong_object_is_found() -> None:
    wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: [80]}\n"
    assert checks.conform(layout.default(), wrong)["summary"]["invalid"] == 1


@every_profile
def test_the_api_server_would_take_every_object(
    rehearse: Callable[[Sequence[Object]], None],
    render: Callable[..., list[Object]],
    profile: str,
    more: Sequence[str],
) -> None:
    rehearse(render(profile, *more))


def test_an_auditor_has_nothing_to_say(template: Template, tmp_path: Path) -> None:
    for number, (profile, more) in enumerate(CASES):
        (tmp_path / f"{number}.yaml").write_text(template(profile, *more).stdout, encoding="utf-8")
    assert checks.audit(tmp_path) == []
