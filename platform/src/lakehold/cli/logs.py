"""``lakehold logs``: what the processes write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from lakehold.cli import cluster_logs
from lakehold.cli.context import Context
from lakehold.cli.where import Where, anywhere
from lakehold.errors import NotRunningError
from lakehold.local.diagnosis import tail
from lakehold.local.plan import unknown_component

_POLL_SECONDS = 0.25


@click.command()
@click.argument("component", required=False)
@anywhere
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=40, show_default=True, help="Lines of each log."
)
def logs(where: Where, component: str | None, follow: bool, lines: int) -> None:
    """Show the logs of all components, of one, or of one process or task.

    \b
    Examples:
      lakehold logs                     the last lines of everything
      lakehold logs trino -n 200        more of one component
      lakehold logs airflow-scheduler   one process
      lakehold logs postgres -f         follow
      lakehold logs trino --context prod
                                        its pods in a cluster; airflow-task is what tasks run in
    """
    context = Context()
    if (cluster := where.cluster) is not None:
        cluster_logs.show(cluster, component, lines=lines, follow=follow)
        return
    names = _names(context, component)
    folder = context.state / "logs"
    files = {name: folder / f"{name}.log" for name in names if follow or (folder / f"{name}.log").is_file()}
    if not files:
        raise NotRunningError(f"there are no logs of {component or 'anything'} yet.", remedy="lakehold up")
    width = max(map(len, files))
    for name, path in files.items():
        for line in tail(path, lines):
            _print(name, line, width, len(files) > 1)
    if follow:
        for name, line in follow_files(files):
            _print(name, line, width, len(files) > 1)


def _names(context: Context, wanted: str | None) -> list[str]:
    by_component = {
        part.name: [
            *(task.name for task in part.before),
            *(process.name for process in part.processes),
            *(task.name for task in part.after),
        ]
        for part in context.components
    }
    everything = [name for names in by_component.values() for name in names]
    if wanted is None:
        return ["supervisord", *everything]
    if wanted in by_component:
        return by_component[wanted]
    if wanted in (*everything, "supervisord", "keeper", "revive"):
        return [wanted]
    raise unknown_component(wanted, [*by_component, *everything])


def _print(name: str, line: str, width: int, prefixed: bool) -> None:
    click.echo(f"{name:<{width}} | {line}" if prefixed else line)


@dataclass
class _Followed:
    path: Path
    file: BinaryIO | None = None
    inode: int = 0
    rest: bytes = b""

    def open_at_end(self) -> None:
        if self.path.is_file():
            self.file = self.path.open("rb")
            self.file.seek(0, 2)
            self.inode = self.path.stat().st_ino

    def lines(self) -> Iterator[str]:
        """Yield the whole lines written since the last call; goes over to the new file after a rotation."""
        if self.file is not None:
            yield from self._read(self.file)
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            return
        if inode != self.inode:
            if self.file is not None:
                self.file.close()
            self.file, self.inode, self.rest = self.path.open("rb"), inode, b""
            yield from self._read(self.file)

    def _read(self, file: BinaryIO) -> Iterator[str]:
        *whole, self.rest = (self.rest + file.read()).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")


def follow_files(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield (name, line) as lines are appended, for ever."""
    followed = {name: _Followed(path) for name, path in files.items()}
    for one in followed.values():
        one.open_at_end()
    while True:
        for name, one in followed.items():
            for line in one.lines():
                yield name, line
        time.sleep(_POLL_SECONDS)
