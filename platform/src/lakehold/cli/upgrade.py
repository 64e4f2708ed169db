"""``lakehold upgrade``: another version, or other values, in a cluster."""

from __future__ import annotations

import click

from lakehold.cli import change_plan
from lakehold.cli import findings as shown
from lakehold.cli.charts import takes_chart
from lakehold.cli.context import OUT
from lakehold.cli.install import refuse, wait
from lakehold.cli.where import in_cluster
from lakehold.cluster import changes, facts, objects, preflight, status, tools
from lakehold.cluster.commands import Chart, Cluster, manifest
from lakehold.cluster.commands import upgrade as upgrading
from lakehold.cluster.follow import SECONDS
from lakehold.errors import ConfigError


@click.command()
@in_cluster
@takes_chart
@click.option("--plan", "only_plan", is_flag=True, help="Only show what would change; change nothing.")
@click.option("--timeout", type=click.IntRange(1), default=int(SECONDS), show_default=True, help="Seconds to wait.")
def upgrade(cluster: Cluster, chart: Chart, only_plan: bool, timeout: int) -> None:
    """Show what an upgrade changes, what starts again and why, and which Jobs run; then do it and wait.

    Values that were given before stay, unless they are given anew. What Kubernetes would refuse is found before
    anything is changed, and so is what it would wait for: a Secret without a key, a right you have not got.

    \b
    Examples:
      lakehold upgrade --context prod --namespace lakehold --plan
      lakehold upgrade --context prod --namespace lakehold --set settings.trino.heap=4G --plan
      lakehold upgrade --context prod --namespace lakehold --values mine.yaml
    """
    release = status.release(cluster)
    before = objects.read(tools.run(manifest(cluster)))
    after = objects.read(tools.run_json(upgrading(cluster, chart, dry=True))["manifest"])
    found = changes.compare(before, after)
    OUT.print(
        f"{cluster.release} in {cluster.namespace} is {release['chart']}, revision {release['revision']},"
        f" {release['status']}.",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    change_plan.show(found, OUT)
    if found.refused:
        raise ConfigError(
            "Kubernetes would refuse this upgrade.",
            why="\n          ".join(found.refused),
            remedy="leave these values as they are; a larger volume: kubectl edit pvc, where its class allows it",
        )
    # Room is not asked for: most of it is taken by what is to be replaced.
    kubernetes = facts.version(cluster)
    findings = preflight.cluster(facts.gather(cluster, after, kubernetes), after, cluster.namespace)
    findings = [finding for finding in findings if finding.level != "ok"]
    shown.show(findings, OUT)
    refuse(findings)
    if only_plan:
        return
    tools.run(upgrading(cluster, chart), seconds=tools.CHANGE_SECONDS)
    OUT.print()
    wait(cluster, timeout)
