"""Progress of ``up`` and ``down`` on a terminal, or as plain lines with the time that has passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class Reporter(Protocol):
    """Where the runtime tells what it is doing; called from several threads."""

    def phase(self, component: str, text: str) -> None:
        """``component`` is now doing ``text``."""

    def done(self, component: str, text: str) -> None:
        """``component`` has ended well, as ``text`` says."""

    def failed(self, component: str, text: str) -> None:
        """``component`` has ended badly."""

    def note(self, text: str) -> None:
        """Something worth knowing that belongs to no component."""


class PlainReporter:
    """One line per event, for logs, pipes and tests."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def _line(self, component: str, text: str) -> None:
        with self._lock:
            elapsed = time.monotonic() - self._begin
            self._console.print(
                f"[{elapsed:6.1f}s] {component:<12} {text}", markup=False, highlight=False, soft_wrap=True
            )

    def phase(self, component: str, text: str) -> None:
        """Print a line."""
        self._line(component, text)

    def done(self, component: str, text: str) -> None:
        """Print a line."""
        self._line(component, text)

    def failed(self, component: str, text: str) -> None:
        """Print a line."""
        self._line(component, f"FAILED: {text}")

    def note(self, text: str) -> None:
        """Print a line."""
        self._line("", text)


class LiveReporter:
    """A table that is redrawn in place: one row per component, with a spinner while it is busy."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._rows: dict[str, tuple[str, str, float]] = {}
        self._spinner = Spinner("dots")
        self._lock = threading.Lock()

    def __rich__(self) -> Table:
        """Draw the table as of now."""
        table = Table.grid(padding=(0, 2))
        with self._lock:
            rows = dict(self._rows)
        for component, (kind, text, at) in rows.items():
            marks: dict[str, Spinner | Text] = {
                "busy": self._spinner,
                "done": Text("✓", "green"),
                "failed": Text("✗", "red"),
            }
            now = time.monotonic() if kind == "busy" else at
            table.add_row(
                marks[kind], component, Text(text, "dim" if kind == "busy" else ""), f"{now - self._begin:.1f}s"
            )
        return table

    def _set(self, component: str, kind: str, text: str) -> None:
        with self._lock:
            self._rows[component] = (kind, text, time.monotonic())

    def phase(self, component: str, text: str) -> None:
        """Update the row."""
        self._set(component, "busy", text)

    def done(self, component: str, text: str) -> None:
        """Update the row."""
        self._set(component, "done", text)

    def failed(self, component: str, text: str) -> None:
        """Update the row."""
        self._set(component, "failed", text)

    def note(self, text: str) -> None:
        """Print above the table."""
        self._console.print(text, markup=False, highlight=False)


@contextmanager
def reporting(console: Console) -> Iterator[Reporter]:
    """Return the reporter that fits ``console``: live on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield PlainReporter(console)
        return
    reporter = LiveReporter(console)
    with Live(reporter, console=console, refresh_per_second=8):
        yield reporter
