"""Commands of kubectl and helm, and what their failures mean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lakehold.cluster import commands, tools
from lakehold.cluster.commands import Chart, Cluster
from lakehold.errors import BusyError, ConfigError, LakeholdError, NotRunningError

CLUSTER = Cluster(context="prod", namespace="data", release="lakehold")


def test_every_command_names_its_context_and_namespace() -> None:
    chart = Chart(chart="chart")
    made = [
        commands.get(CLUSTER, "pods"),
        commands.create(CLUSTER),
        commands.logs(CLUSTER, "a=b", lines=1, follow=True),
        commands.forward(CLUSTER, "lakehold-trino", 18443),
        commands.install(CLUSTER, chart),
        commands.upgrade(CLUSTER, chart),
        commands.manifest(CLUSTER),
        commands.back(CLUSTER, 1),
    ]
    for words in made:
        assert "prod" in words[words.index("--context" if words[0] == "kubectl" else "--kube-context") + 1]
        assert words[words.index("--namespace") + 1] == "data"


def test_an_upgrade_keeps_the_values_given_before_and_a_plan_changes_nothing() -> None:
    chart = Chart(chart="chart", values=(Path("a.yaml"),), sets=("b=c",))
    words = commands.upgrade(CLUSTER, chart, dry=True)
    assert words[:8] == ["helm", "upgrade", "lakehold", "chart", "--values", "a.yaml", "--set", "b=c"]
    assert {"--reset-then-reuse-values", "--dry-run=server"} <= set(words)
    assert "--dry-run=server" not in commands.upgrade(CLUSTER, chart)


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ('error: context "prod" does not exist', ConfigError, "no such context"),
        ("error: cannot locate context prod", ConfigError, "no such context"),
        (
            "The connection to the server 10.0.0.1:6443 was refused - did you specify",
            NotRunningError,
            "does not answer",
        ),
        (
            "Error: Kubernetes cluster unreachable: Get https://…: dial tcp: i/o timeout",
            NotRunningError,
            "does not answer",
        ),
        ("error: You must be logged in to the server (Unauthorized)", ConfigError, "does not know you"),
        ("Error: release: not found", NotRunningError, "no such release"),
        (
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
            BusyError,
            "somebody else is changing the release",
        ),
        ("Error: values don't meet the specifications of the schema(s)", ConfigError, "does not take these values"),
        (
            'Error from server (Forbidden): secrets is forbidden: User "me" cannot list resource "secrets"',
            tools.ToolError,
            "you lack a right",
        ),
        ("Error: something new", tools.ToolError, "kubectl get pods failed"),
    ],
)
def test_what_a_failure_means(said: str, kind: type[LakeholdError], what: str) -> None:
    found = tools.explained(["/usr/bin/kubectl", "--context", "prod", "get", "pods", "--output", "json"], said)
    assert type(found) is kind
    assert what in found.what
    assert found.why == said


def test_documents_one_after_the_other_are_all_read() -> None:
    assert tools.run_all([sys.executable, "-c", 'print(\'{"a": 1}\\n{"b": 2}\')']) == [{"a": 1}, {"b": 2}]


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kubectl is needed") as raised:
        tools.find("prod", "data", environ={"PATH": str(tmp_path)})
    assert "KUBECTL=" in raised.value.remedy


def test_programs_are_those_of_the_environment() -> None:
    found = tools.find("prod", "data", environ={"PATH": "", "KUBECTL": "/opt/kubectl", "HELM": "/opt/helm"})
    assert (found.kubectl, found.helm) == ("/opt/kubectl", "/opt/helm")
