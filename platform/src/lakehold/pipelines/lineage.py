"""The lineage graph as tables for SQL, refreshed by an Airflow task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehold.config import posting, spool
from lakehold.config.platform import Platform, load
from lakehold.pipelines.command import Command


class LineageTables(Command):
    """Make the tables ``ops.lineage_*`` hold the lineage graph as it is, with what could not be told before."""

    ui_color = "#e1d5e7"

    def execute(self, context: Mapping[str, Any]) -> None:
        """Post the events that Spark jobs left while the service was away, then write the tables."""
        known = load()
        if why := spool.post_left(posting.folder(known), known.lineage, self.log.warning):
            self.log.warning("the lineage service does not take what is left over: %s", why)
        super().execute(context)

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:  # noqa: ARG002
        """Return the command of the program that writes them."""
        return [platform.pythons["engine"], "-m", "lakehold.lineage.iceberg"]
