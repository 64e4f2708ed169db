"""``lakehold lineage page``: a link that opens the page to browse the graph."""

from __future__ import annotations

import click

from lakehold.cli.context import ERR
from lakehold.cli.lineage_site import LineageSite
from lakehold.lineage.explore.session import CODE_SECONDS, login_code


@click.command()
def page() -> None:
    """Print a link that opens the lineage page in a browser, logged in.

    The link is no password: it works once, within five minutes. What it opens may look at everything and send nothing,
    for twelve hours, until it is logged out or the service starts again.
    """
    site = LineageSite()
    site.rows("stages", {})
    ERR.print(f"Open this within {CODE_SECONDS // 60} minutes; it works once:", style="dim")
    click.echo(f"{site.url}/#login={login_code(site.token)}")
