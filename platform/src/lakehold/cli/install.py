"""``lakehold install``: the platform into a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lakehold.cli import findings as shown
from lakehold.cli.charts import takes_chart
from lakehold.cli.context import ERR, OUT
from lakehold.cli.where import in_cluster
from lakehold.cluster import facts, objects, preflight, tools
from lakehold.cluster.commands import Chart, Cluster, listed, template
from lakehold.cluster.commands import install as installation
from lakehold.cluster.follow import SECONDS, follow
from lakehold.cluster.watch import FAILED, READY
from lakehold.errors import ConfigError, Finding, StartError
from lakehold.local.progress import reporting


@click.command()
@in_cluster
@takes_chart
@click.option("--plan", "only_plan", is_flag=True, help="Only look whether the cluster can take it; change nothing.")
@click.option("--timeout", type=click.IntRange(1), default=int(SECONDS), show_default=True, help="Seconds to wait.")
def install(cluster: Cluster, chart: Chart, only_plan: bool, timeout: int) -> None:
    """Install the platform into a cluster and wait until all of it is ready.

    First it looks whether the cluster can take it: versions, your rights, storage, room on the nodes, DNS, Secrets of
    yours, clocks. A problem ends it before anything is made. Needs kubectl and helm (or KUBECTL, HELM). Where pods do
    not get ready it says why, with what Kubernetes and their logs say.

    \b
    Examples:
      lakehold install --context prod --namespace lakehold --profile trial --plan
      lakehold install --context prod --namespace lakehold --profile trial
      lakehold install --context prod --namespace lakehold --values mine.yaml --set settings.trino.heap=4G
    """
    if found := tools.run_json(listed(cluster)):
        raise ConfigError(
            f"{cluster.release} is installed in {cluster.namespace} already.",
            why=f"{found[0]['chart']}, revision {found[0]['revision']}, {found[0]['status']}",
            remedy=f"lakehold upgrade {cluster.options} --plan",
        )
    check(cluster, chart)
    if only_plan:
        return
    tools.run(installation(cluster, chart), seconds=tools.CHANGE_SECONDS)
    wait(cluster, timeout)
    OUT.print(
        f"\nIt is ready. What next:\n  lakehold status {cluster.options}\n  lakehold demo {cluster.options} --day\n"
        f'  lakehold sql {cluster.options} "show schemas"',
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


def check(cluster: Cluster, chart: Chart) -> None:
    """Look whether the cluster can take it; :class:`StartError` when it cannot."""
    kubernetes = facts.version(cluster)
    manifest = objects.read(tools.run(template(cluster, chart, kubernetes)))
    findings = preflight.judge(facts.gather(cluster, manifest, kubernetes), manifest, cluster.namespace)
    shown.show(findings, OUT)
    refuse(findings)


def refuse(findings: Sequence[Finding]) -> None:
    """Go on when there is no problem."""
    problems = [finding for finding in findings if finding.level == "problem"]
    if problems:
        raise StartError(
            f"the cluster cannot take it: {_names(problems)}.", why="nothing was changed", remedy=problems[0].remedy
        )


def _names(problems: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.subject for finding in problems))


def wait(cluster: Cluster, timeout: float) -> None:
    """Show each change until everything is ready."""
    with reporting(ERR) as reporter:
        for part in follow(cluster, seconds=timeout):
            say = {READY: reporter.done, FAILED: reporter.failed}.get(part.state, reporter.phase)
            say(part.name, part.text)
