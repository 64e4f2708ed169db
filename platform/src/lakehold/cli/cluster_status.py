"""``lakehold status --context``: the pods of a release."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli.context import OUT
from lakehold.cluster.commands import Cluster
from lakehold.cluster.status import PodStatus, collect
from lakehold.errors import NotRunningError


def show(cluster: Cluster, *, as_json: bool) -> None:
    """Print it; :class:`NotRunningError` when something is not ready."""
    found = collect(cluster)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        release = found.release
        OUT.print(
            f"{release['name']} in {release['namespace']}: {release['chart']}, revision {release['revision']},"
            f" {release['status']}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        OUT.print(_table(found.pods))
        for part in found.sick:
            OUT.print(f"{part.kind} {part.name}: {part.text}", highlight=False, markup=False, soft_wrap=True)
    if not found.healthy:
        sick = ", ".join(part.name for part in found.sick) or "nothing of it runs"
        raise NotRunningError(f"not ready: {sick}.", remedy=f"lakehold doctor {cluster.options}")


def _table(pods: Sequence[PodStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("COMPONENT", "POD", "HEALTH", "NODE"):
        table.add_column(column, overflow="fold")
    for column in ("MEMORY", "RESTARTS", "UP"):
        table.add_column(column, justify="right")
    for pod in pods:
        table.add_row(
            pod.component,
            pod.pod,
            Text(pod.text, "green" if pod.healthy else "yellow"),
            pod.node,
            f"{pod.memory / (1 << 20):.0f} MB" if pod.memory else "",
            str(pod.restarts or ""),
            str(timedelta(seconds=pod.uptime)) if pod.uptime is not None else "",
        )
    return table
