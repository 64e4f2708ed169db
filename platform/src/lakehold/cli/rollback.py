"""``lakehold rollback``: what was installed before, where it can work with what is there now."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import click

from lakehold.cli import change_plan
from lakehold.cli.context import ERR, OUT
from lakehold.cli.install import wait
from lakehold.cli.where import in_cluster
from lakehold.cluster import changes, fits, objects, revisions, tools
from lakehold.cluster.commands import Cluster, back, history, manifest
from lakehold.cluster.follow import SECONDS
from lakehold.cluster.objects import Key, Object
from lakehold.components.registry import COMPONENTS
from lakehold.errors import StartError


@click.command()
@in_cluster
@click.option("--to", "wanted", type=click.IntRange(1), help="Revision; by default the last one that worked before.")
@click.option("--plan", "only_plan", is_flag=True, help="Only say what would come back, and whether it can.")
@click.option("--timeout", type=click.IntRange(1), default=int(SECONDS), show_default=True, help="Seconds to wait.")
def rollback(cluster: Cluster, wanted: int | None, only_plan: bool, timeout: int) -> None:
    """Go back to an earlier revision of the release and wait until it is ready.

    It says what comes back. Data stays as it is: tables, runs, lineage. Where a newer version has changed the schema of
    a database in a way that the older one cannot work with, it refuses with the reason, before anything is changed. The
    older version itself is asked, in a pod that goes away again.

    \b
    Examples:
      lakehold rollback --context prod --namespace lakehold --plan
      lakehold rollback --context prod --namespace lakehold
      lakehold rollback --context prod --namespace lakehold --to 3
    """
    known = tools.run_json(history(cluster))
    now, then = revisions.current(known), revisions.before(known, wanted)
    number = int(then["revision"])
    before, after = (objects.read(tools.run(manifest(cluster, int(one["revision"])))) for one in (now, then))
    OUT.print(
        f"{cluster.release} in {cluster.namespace} goes back from revision {now['revision']} ({now['chart']},"
        f" {now['status']}) to {number} ({then['chart']}, of {str(then['updated'])[:19]}).",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    change_plan.show(changes.compare(before, after), OUT)
    refuse_unreadable(cluster, after)
    if only_plan:
        return
    tools.run(back(cluster, number), seconds=tools.CHANGE_SECONDS)
    OUT.print()
    wait(cluster, timeout)


def refuse_unreadable(cluster: Cluster, after: Mapping[Key, Object]) -> None:
    """Ask the older version; :class:`StartError` when it cannot work with what is there."""
    for question in fits.questions(after, COMPONENTS, secrets.token_hex(3)):
        ERR.print(f"\nasking the older version: {question.task} …", highlight=False)
        if why := fits.ask(cluster, question):
            raise StartError(
                "the older version cannot work with what the newer one has left; nothing was changed.",
                why=why,
                remedy="stay with the newer version, or restore a backup of the database made before it, and try again",
            )
    ERR.print("it can work with what is there.", highlight=False)
