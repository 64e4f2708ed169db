"""Quality gates: an expectation suite that stops the run before the next layer sees bad data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lakehold.config.platform import Platform
from lakehold.errors import RunFailedError
from lakehold.pipelines.command import Command

_JUDGED = "judged "
"""How the lines of :mod:`lakehold.quality.run` begin that say what of a shadow has passed."""


class Gate(Command):
    """Run one suite of ``quality/`` over the run's data interval; the findings are printed as a table in the log.

    Its result is the metadata file of each table that passed in a shadow: the group publishes these and no others.

    :param suite: name of the suite
    :param start: first day, ``YYYY-MM-DD`` (templated; by default the data interval's start)
    :param end: the day after the last, ``YYYY-MM-DD`` (templated; by default the data interval's end)
    """

    template_fields = ("start", "end")
    ui_color = "#d5e8d4"
    final_codes: ClassVar[Mapping[int, str]] = {
        RunFailedError.exit_code: "the data do not meet the suite; the table above says which rule and how many rows"
    }

    def __init__(
        self,
        *,
        suite: str,
        start: str = "{{ data_interval_start | ds }}",
        end: str = "{{ data_interval_end | ds }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.suite = suite
        self.start = start
        self.end = end
        self._judged: dict[str, str] = {}

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:  # noqa: ARG002
        """Return the command of the gate's runner; it finds ``quality/`` in its working folder."""
        runner = [platform.pythons["engine"], "-m", "lakehold.quality.run"]
        return [*runner, "--suite", self.suite, "--from", self.start, "--to", self.end]

    def on_line(self, line: str) -> None:
        """Log a line, and keep what it says of a table that has passed."""
        super().on_line(line)
        table, mark, file = line.removeprefix(_JUDGED).partition("=")
        if line.startswith(_JUDGED) and mark:
            self._judged[table] = file

    def execute(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """Run the suite; returns table → metadata file."""
        self._judged = {}
        super().execute(context)
        return self._judged
