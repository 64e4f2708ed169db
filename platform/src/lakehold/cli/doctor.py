"""``lakehold doctor``: find out why an installation does not work."""

from __future__ import annotations

import platform
import sys

import click

from lakehold import __version__
from lakehold.cli import findings as shown
from lakehold.cli.context import OUT, Context
from lakehold.cli.where import Where, anywhere
from lakehold.cluster import doctor as cluster_doctor
from lakehold.local.doctor import examine


@click.command()
@anywhere
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of findings.")
def doctor(where: Where, as_json: bool) -> None:
    """Examine the installation: disk, memory, limits, clock, artifacts, Java, modes, ports, listeners, every service.

    In a cluster: versions, rights, storage, nodes, DNS, clocks, the release, its certificate and volumes, every pod
    with what Kubernetes says about it. Each finding says how to mend it. Exits with 1 when there is a problem; warnings
    alone exit with 0.

    \b
    Examples:
      lakehold doctor
      lakehold doctor --json
      lakehold doctor --context prod --namespace lakehold
    """
    cluster = where.cluster
    context = Context()
    findings = examine(context.site, context.components) if cluster is None else cluster_doctor.examine(cluster)
    if as_json:
        click.echo(shown.as_json(findings))
    else:
        place = (
            context.checkout if cluster is None else f"{cluster.release} in {cluster.namespace} of {cluster.context}"
        )
        OUT.print(
            f"lakehold {__version__}, Python {sys.version.split()[0]}, {platform.platform()}, {place}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
        shown.show(findings, OUT)
    shown.conclude(findings, None if as_json else OUT)
