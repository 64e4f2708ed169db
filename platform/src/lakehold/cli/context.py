"""What every verb needs: the checkout, its settings, its components and, for most, its site."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from lakehold.components.model import Component, Site
from lakehold.config.loader import find_checkout, load_settings
from lakehold.config.settings import Settings
from lakehold.errors import NotRunningError
from lakehold.local.site import load_site, registered, state_directory

_PIPE_WIDTH = 200
"""Columns where there is no terminal to ask; a table is only as wide as what it shows."""

OUT = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
"""Answers: what a script would read."""
ERR = Console(stderr=True)
"""Progress and errors."""


@dataclass(frozen=True)
class Context:
    """One invocation's view of the installation; every part is read when it is first used."""

    @cached_property
    def checkout(self) -> Path:
        """The checkout: ``LAKEHOLD_CHECKOUT``, else the nearest one at or above the working directory."""
        named = os.environ.get("LAKEHOLD_CHECKOUT")
        return Path(named).absolute() if named else find_checkout(Path.cwd())

    @cached_property
    def settings(self) -> Settings:
        """``lakehold.toml`` and the environment."""
        return load_settings(self.checkout)

    @cached_property
    def components(self) -> Sequence[Component]:
        """Every component of the platform."""
        return registered(self.settings)

    @property
    def state(self) -> Path:
        """The state directory, which need not exist yet."""
        return state_directory(self.settings, self.checkout)

    @cached_property
    def site(self) -> Site:
        """The installation, made one if it is none yet."""
        return load_site(self.settings, self.checkout, components=self.components)

    def existing_site(self) -> Site:
        """Return the installation; :class:`NotRunningError` when nothing was ever started here."""
        if not (self.state / "site.json").is_file():
            raise NotRunningError(
                "the platform has never been started here.", why=f"{self.state} does not exist", remedy="lakehold up"
            )
        return self.site
