"""An image as `make images` would have built it with an earlier pin of one component."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lakehold.images import debian
from lakehold.images.build import build
from lakehold.images.layers import Inputs
from lakehold.images.recipes import load_recipes, with_platform
from lakehold.images.results import Built
from lakehold.release.pins import PLATFORM, Pin
from lakehold.release.store import Layout, Store


@dataclass(frozen=True, kw_only=True)
class _Renamed(Layout):
    """A store in which what is pinned as ``before`` is there as ``name``."""

    name: str
    before: str

    def artifact(self, pin: Pin) -> Path:
        return super().artifact(pin.model_copy(update={"name": self.before}) if pin.name == self.name else pin)


def build_older(name: str, before: str, out: Path) -> Built:
    """Build the image ``name`` with the pin ``before`` in the place of the one it is named after."""
    own, recipes = Store.default(), load_recipes()
    own.ensure([before], [])
    older = own.pins.artifact(before).model_copy(update={"name": name})
    pins = with_platform(own.pins)
    store = Store(own.layout.root, pins.model_copy(update={"artifacts": {**pins.artifacts, name: older}}))
    store.layout = _Renamed(root=own.layout.root, name=name, before=before)
    packages = debian.parse(debian.LOCK.read_text(encoding="utf-8"), recipes)
    inputs = Inputs(store=store, recipes=recipes, packages=packages, checkout=PLATFORM.parent, say=_say)
    [built] = build(inputs, [name], out)
    return built


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
