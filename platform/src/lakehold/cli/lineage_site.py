"""The lineage service of the installation that a verb runs in, and how its times are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehold.cli.context import Context
from lakehold.lineage import client


class LineageSite:
    """Asks that service, with the installation's own token."""

    def __init__(self) -> None:
        self._site = Context().existing_site()
        self.url = f"http://{self._site.host}:{self._site.ports['lineage']}"
        self.token = self._site.secrets["lineage.token"]

    @property
    def catalog(self) -> str:
        """The catalog whose tables the service knows by their short names."""
        return self._site.settings.catalog.name

    def rows(self, list_: str, filters: Mapping[str, str | int]) -> list[dict[str, Any]]:
        """Return the rows of a list; errors as of :mod:`lakehold.lineage.client`, as of all of these."""
        return client.ask(self.url, self.token, list_, filters)

    def ask(self, path: str, asked: Mapping[str, str | int]) -> dict[str, Any]:
        """Return the answer to a question."""
        return client.question(self.url, self.token, path, asked)

    def order(self, method: str, path: str, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have something done."""
        return client.order(self.url, self.token, method, path, wanted)


def moment(text: str | None) -> str:
    """Return a time of the service to the second, ``2026-11-21 08:30:00``."""
    return "" if text is None else text[:19].replace("T", " ")
