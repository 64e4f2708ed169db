"""The lineage graph as tables for SQL, refreshed by an Airflow task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehold.config.platform import Platform
from lakehold.pipelines.command import Command


class LineageTables(Command):
    """Make the tables ``ops.lineage_*`` hold the lineage graph as it is."""

    ui_color = "#e1d5e7"

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:  # noqa: ARG002
        """Return the command of the program that writes them."""
        return [platform.pythons["engine"], "-m", "lakehold.lineage.iceberg"]
