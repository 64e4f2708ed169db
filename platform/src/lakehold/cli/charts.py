"""Which chart and which values a verb is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from lakehold.cli.context import Context
from lakehold.cluster.chart import CHART
from lakehold.cluster.commands import Chart
from lakehold.errors import ConfigError

_FILE = click.Path(path_type=Path)


def takes_chart(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb ``--profile``, ``--values``, ``--set`` and ``--chart``; it takes a ``chart``."""

    @wraps(command)
    def with_chart(
        *, profile: str | None, values: tuple[Path, ...], sets: tuple[str, ...], chart: str | None, version: str | None,
        **arguments: Any,
    ) -> Any:  # fmt: skip
        where = chart or str(Context().checkout / CHART)
        for path in values:
            if not path.is_file():
                raise ConfigError(f"there is no file {path}.", remedy="name a file with values, or leave --values out")
        given = (*([_profile(where, profile)] if profile else []), *values)
        return command(chart=Chart(chart=where, values=given, sets=sets, version=version or ""), **arguments)

    options = [
        click.option("--profile", metavar="NAME", help="Values of the chart's folder profiles/: trial, restricted, …"),
        click.option("--values", "-f", multiple=True, type=_FILE, help="File with values, over the profile's."),
        click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One value, over all files."),
        click.option("--chart", metavar="PATH", help="Chart: a folder, archive or address.  [default: the checkout's]"),
        click.option("--version", metavar="VERSION", help="Version of a chart that is an address."),
    ]
    decorated: Any = with_chart
    for option in reversed(options):
        decorated = option(decorated)
    found: Callable[..., Any] = decorated
    return found


def _profile(chart: str, name: str) -> Path:
    folder = Path(chart) / "profiles"
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    there = ", ".join(sorted(one.stem for one in folder.glob("*.yaml")))
    raise ConfigError(
        f'there is no profile "{name}".',
        why=f"{folder} has {there}" if there else f"{chart} is no folder with profiles",
        remedy="name one of them, or give its file with --values",
    )
