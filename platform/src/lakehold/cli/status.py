"""``lakehold status``: what runs, how well, where."""

from __future__ import annotations

import json
from datetime import timedelta

import click
from rich.table import Table
from rich.text import Text

from lakehold.cli import cluster_status
from lakehold.cli.context import OUT, Context
from lakehold.cli.where import Where, anywhere
from lakehold.errors import NotRunningError
from lakehold.local.status import OVERHEAD, ProcessStatus, collect

_STYLES = {"healthy": "green", "starting": "yellow", "unhealthy": "red", "failed": "red", "stopped": "dim"}


@click.command()
@anywhere
@click.option("--json", "as_json", is_flag=True, help="Print JSON: {healthy, memory, processes: [...]}.")
def status(where: Where, as_json: bool) -> None:
    """Show every process: pid, health, address, memory (PSS), restarts and time up.

    In a cluster: every pod with its node, and memory where the cluster measures it; JSON is {healthy, release, pods}.
    Exits with 6 when nothing runs or something that should is not healthy.

    \b
    Examples:
      lakehold status
      lakehold status --json | python3 -m json.tool
      lakehold status --context prod --namespace lakehold
    """
    cluster = where.cluster
    if cluster is not None:
        cluster_status.show(cluster, as_json=as_json)
        return
    context = Context()
    entries = collect(context.existing_site(), context.components)
    total = sum(entry.memory or 0 for entry in entries)
    # supervisord alone is nothing that anybody can use.
    running = [entry for entry in entries if entry.health != "stopped" and entry.process != OVERHEAD]
    healthy = bool(running) and all(entry.health == "healthy" for entry in running)
    if as_json:
        click.echo(
            json.dumps(
                {"healthy": healthy, "memory": total, "processes": [entry.as_dict() for entry in entries]}, indent=2
            )
        )
    else:
        OUT.print(_table(entries, total))
        for entry in running:
            if entry.reason:
                OUT.print(f"{entry.process}: {entry.reason}", highlight=False, markup=False)
    if not running:
        raise NotRunningError("nothing is running.", remedy="lakehold up")
    if not healthy:
        sick = ", ".join(entry.process for entry in running if entry.health != "healthy")
        raise NotRunningError(f"not healthy: {sick}.", remedy="lakehold doctor")


def _table(entries: list[ProcessStatus], total: int) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("COMPONENT")
    table.add_column("PROCESS")
    table.add_column("PID", justify="right")
    table.add_column("HEALTH")
    table.add_column("ADDRESS", overflow="fold")
    table.add_column("MEMORY", footer=megabytes(total), justify="right")
    table.add_column("RESTARTS", justify="right")
    table.add_column("UP", justify="right")
    for entry in entries:
        table.add_row(
            entry.component,
            entry.process,
            str(entry.pid or ""),
            Text(entry.health, _STYLES[entry.health]),
            entry.url,
            megabytes(entry.memory) if entry.memory else "",
            str(entry.restarts or ""),
            str(timedelta(seconds=entry.uptime)) if entry.uptime is not None else "",
        )
    return table


def megabytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{size / (1 << 20):.0f} MB"
