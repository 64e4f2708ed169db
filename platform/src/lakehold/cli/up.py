"""``lakehold up``: bring the platform up."""

from __future__ import annotations

import click

from lakehold.cli.context import ERR, OUT, Context
from lakehold.local.plan import select
from lakehold.local.progress import reporting
from lakehold.local.runtime import Runtime, hold
from lakehold.local.status import address
from lakehold.release.progress import showing
from lakehold.release.store import Store


@click.command()
@click.argument("components", nargs=-1, metavar="[COMPONENT]...")
def up(components: tuple[str, ...]) -> None:
    """Bring the platform up, or the named components and what they need.

    Fetches what is missing, writes the configuration, starts every process in dependency order and waits until each is
    healthy. What runs already is left alone; a component whose configuration has changed is started again. A process
    that dies later is brought back by itself.

    \b
    Examples:
      lakehold up                  everything
      lakehold up trino            Trino, and the PostgreSQL and object store it needs
      LAKEHOLD_TRINO_HEAP=3G lakehold up
                                   with a setting of lakehold.toml changed for now
    """
    context = Context()
    chosen = select(context.components, components)
    pins = dict.fromkeys(pin for component in chosen for pin in component.artifacts)
    environments = dict.fromkeys(env for component in chosen for env in component.pythons if env != "lakehold")
    store = Store.default()
    with showing(ERR) as progress:
        store.ensure(pins, environments, progress)
    # Only now: a first start chooses its ports here, and a long fetch ago others may have been free.
    site = context.site
    with reporting(ERR) as reporter, hold(site.state, reporter):
        Runtime(site, context.components, reporter, store.verify).up(components)
    for component in chosen:
        for process in component.processes:
            if where := address(site, component, process):
                OUT.print(f"{process.name:<24} {where}", highlight=False, markup=False)
    OUT.print(
        "\nlakehold status shows memory and health, lakehold env what a client needs to connect.", highlight=False
    )
