"""Table maintenance as an Airflow task: what `lakehold tables maintain` does, with its lines in the task's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from lakehold.config.platform import Platform
from lakehold.errors import ConfigError
from lakehold.pipelines.command import Command


class Maintenance(Command):
    """Do what pays for tables, within a budget, and never on a table that a run is about to publish.

    :param tables: ``schema.table``, or a schema for all of its tables; all without any
    :param budget: time to spend, instead of what ``maintenance.yml`` says
    """

    ui_color = "#d4e1f5"
    final_codes: ClassVar[Mapping[int, str]] = {
        ConfigError.exit_code: "maintenance.yml is wrong; the lines above name the key"
    }

    def __init__(self, *, tables: Sequence[str] = (), budget: timedelta | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables = list(tables)
        self.budget = budget

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:  # noqa: ARG002
        """Return the command of the maintenance program."""
        program = [platform.pythons["engine"], "-m", "lakehold.tables.maintenance", "maintain"]
        limit = [] if self.budget is None else ["--budget-seconds", str(int(self.budget.total_seconds()))]
        return [*program, *limit, *self.tables]
