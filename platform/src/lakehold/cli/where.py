"""Where a verb works: on this machine, or with ``--context`` in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import click

from lakehold.cli.context import Context
from lakehold.cluster import reach, tools
from lakehold.cluster.commands import RELEASE, Cluster
from lakehold.components.model import Site
from lakehold.errors import ConfigError

_Verb = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Where:
    """What the options say; without a context it is this machine."""

    context: str | None
    namespace: str | None
    release: str | None

    def __post_init__(self) -> None:
        """Refuse what would silently mean another installation than the one that was named."""
        if self.context is None and (self.namespace or self.release):
            raise click.UsageError("--namespace and --release need --context.")

    @cached_property
    def cluster(self) -> Cluster | None:
        """The release that is meant; ``None`` on this machine."""
        if self.context is None:
            return None
        return tools.find(self.context, self.namespace or "", self.release or RELEASE)

    @contextmanager
    def site(self, *components: str) -> Iterator[Site]:
        """Return the installation; in a cluster these components of it are reached through tunnels until the end."""
        cluster = self.cluster
        if cluster is None:
            yield Context().existing_site()
            return
        with reach.remedies(cluster), reach.reached(cluster, _folder(), components) as site:
            yield site


def _folder() -> Path:
    """Return the checkout, as far as there is one: a cluster can be spoken to from anywhere."""
    try:
        return Context().checkout
    except ConfigError:
        return Path.cwd()


def anywhere(command: _Verb) -> _Verb:
    """Give a verb of this machine ``--context`` and its companions; it takes them as ``where``."""
    return _with_options(command, required=False)


def in_cluster(command: _Verb) -> _Verb:
    """Give a verb of clusters ``--context``, which it cannot do without; it takes a ``cluster``."""

    @wraps(command)
    def with_cluster(*, where: Where, **arguments: Any) -> Any:
        cluster = where.cluster
        if cluster is None:
            raise click.UsageError("Missing option '--context'.")
        with reach.remedies(cluster):
            return command(cluster=cluster, **arguments)

    return _with_options(with_cluster, required=True)


def _with_options(command: _Verb, *, required: bool) -> _Verb:
    @wraps(command)
    def with_where(*, context: str | None, namespace: str | None, release: str | None, **arguments: Any) -> Any:
        return command(where=Where(context=context, namespace=namespace, release=release), **arguments)

    about = "Kube context of the cluster." if required else "Kube context: speak to that cluster, not to this machine."
    options = [
        click.option("--context", metavar="NAME", required=required, help=about),
        click.option("--namespace", metavar="NAME", help="Namespace of the release; by default the context's own."),
        click.option("--release", metavar="NAME", help=f"Release of the chart.  [default: {RELEASE}]"),
    ]
    decorated: _Verb = with_where
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
