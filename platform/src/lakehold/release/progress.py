"""Progress of a fetch: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress(Protocol):
    """What the store tells while it works; called from several threads."""

    def step(self, name: str, what: str, total: int = 0) -> None:
        """``name`` begins a step of ``total`` bytes (0: unknown)."""

    def moved(self, name: str, count: int) -> None:
        """``count`` more bytes of the step are done."""

    def done(self, name: str, words: str) -> None:
        """``name`` is finished."""

    def beat(self) -> None:
        """Called now and then, so that a long silence can be broken."""


class Silent:
    """Says nothing."""

    def step(self, name: str, what: str, total: int = 0) -> None:
        """Ignore."""

    def moved(self, name: str, count: int) -> None:
        """Ignore."""

    def done(self, name: str, words: str) -> None:
        """Ignore."""

    def beat(self) -> None:
        """Ignore."""


class Lines:
    """Lines for logs: each step once, and every few seconds how far a long one is."""

    def __init__(
        self, say: Callable[[str], None], *, every: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[str, int, int, float]] = {}
        self._began: dict[str, float] = {}
        self._spoke = clock()

    def step(self, name: str, what: str, total: int = 0) -> None:
        """Say what begins."""
        size = f" ({megabytes(total)})" if total else ""
        with self._lock:
            self._steps[name] = (what, total, 0, self._clock())
            self._began[name] = self._clock()
            self._tell(f"{name}: {what}{size}")

    def moved(self, name: str, count: int) -> None:
        """Say how far it is, when the last word was long enough ago."""
        with self._lock:
            what, total, done, told = self._steps[name]
            done += count
            if self._clock() - told >= self._every and total:
                told = self._clock()
                self._tell(f"{name}: {what} {min(100, 100 * done // total)} % of {megabytes(total)}")
            self._steps[name] = (what, total, done, told)

    def done(self, name: str, words: str) -> None:
        """Say that it is finished."""
        with self._lock:
            self._began.pop(name, None)
            self._tell(f"{name}: {words}")

    def beat(self) -> None:
        """Say what is under way, when nothing was said for a while."""
        with self._lock:
            now = self._clock()
            if self._began and now - self._spoke >= 2 * self._every:
                under_way = (f"{name} ({self._steps[name][0]}, {now - at:.0f} s)" for name, at in self._began.items())
                self._tell(f"still at it: {', '.join(under_way)}")

    def _tell(self, words: str) -> None:
        self._spoke = self._clock()
        self._say(words)


class _Bars:
    """One bar a name."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def step(self, name: str, what: str, total: int = 0) -> None:
        with self._lock:
            if name in self._tasks:
                self._bars.remove_task(self._tasks[name])
            self._tasks[name] = self._bars.add_task(name, what=what, total=total or None)

    def moved(self, name: str, count: int) -> None:
        self._bars.update(self._tasks[name], advance=count)

    def done(self, name: str, words: str) -> None:
        with self._lock:
            task = self._tasks.pop(name, None)
            if task is not None:
                self._bars.remove_task(task)
            self._bars.console.print(f"[green]✓[/] {name}: {words}", highlight=False)

    def beat(self) -> None:
        pass


@contextmanager
def showing(console: Console) -> Iterator[Progress]:
    """Progress on ``console``: bars if it is a terminal, lines if it is not."""
    if not console.is_terminal:
        yield Lines(lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True))
        return
    columns = (
        TextColumn("{task.description:<22}"),
        TextColumn("{task.fields[what]:<12}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


def megabytes(count: int) -> str:
    """A size for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
