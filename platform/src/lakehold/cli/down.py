"""``lakehold down``: stop the platform."""

from __future__ import annotations

import click

from lakehold.cli.context import ERR, OUT, Context
from lakehold.local.progress import reporting
from lakehold.local.stop import down as stop


@click.command()
@click.argument("components", nargs=-1, metavar="[COMPONENT]...")
def down(components: tuple[str, ...]) -> None:
    """Stop the platform, or the named components and all that need them.

    Nothing keeps running: also what is left of processes that were killed or whose supervisor was killed is found by
    its mark and ended. Data stays; to remove the installation, remove its state directory (.lakehold) afterwards.

    \b
    Examples:
      lakehold down                everything
      lakehold down trino          Trino, and what needs it
    """
    context = Context()
    with reporting(ERR) as reporter:
        stopped = stop(context.state, context.components, components, reporter)
    if stopped.processes:
        OUT.print(f"stopped: {', '.join(stopped.processes)}", highlight=False, markup=False)
    if stopped.remains:
        OUT.print(f"ended what was left over: {', '.join(stopped.remains)}", highlight=False, markup=False)
    if not stopped.processes and not stopped.remains:
        OUT.print("nothing was running.", highlight=False)
