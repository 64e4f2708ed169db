"""The layers images are made of; one whose inputs are the same as before is not written again.

    <store>/images/debian/<sum>.deb            packages
    <store>/images/blobs/<sum>                 layers
    <store>/images/layers/<name>/<key>.json    which inputs gave which layer: the newest of each name

All of it can be removed while nothing is built; it is made again.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lakehold.cluster import layout
from lakehold.errors import ArtifactError
from lakehold.images import apt, bytecode, deb, layer, system, trees
from lakehold.images.debian import Package
from lakehold.images.layer import Entry, write
from lakehold.images.oci import Layer
from lakehold.images.recipes import Image, Recipes
from lakehold.release import manifest
from lakehold.release.store import Store

_BOTTOM = "static"
"""The set of packages that carries the root's own files as well."""
_PYTHON = "python"
"""The set of packages that brings Python, and needs bytecode."""
_WHERE = "usr/share/lakehold"

Entries = Callable[[Path], list[Entry]]
"""Makes what is in a layer; files it has to write first go into the folder it is given."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What layers are made from. ``again``: write each anew, and refuse one that comes out different."""

    store: Store
    recipes: Recipes
    packages: Sequence[Package]
    checkout: Path
    say: Callable[[str], None] = field(repr=False)
    again: bool = False

    @property
    def folder(self) -> Path:
        """Where everything about images is kept."""
        return self.store.layout.root / "images"


class Layers:
    """The layers of one build, each made once. ``scratch`` is an empty folder for the Python that compiles."""

    def __init__(self, inputs: Inputs, scratch: Path) -> None:
        self._inputs = inputs
        self._scratch = scratch
        self._done: dict[str, Layer] = {}
        self._files: dict[str, list[Entry]] = {}

    def image(self, image: Image) -> list[Layer]:
        """All layers of an image but the last, from what changes least to what changes most."""
        found = [self._debian(name) for name in image.debian]
        found += [self._artifact(name) for name in image.artifacts]
        found += [self._env(name) for name in image.envs]
        found.append(self._rooms(trees.PACKAGE))
        return [*found, self._rooms(image.rooms)] if image.rooms else found

    def bill(self, image: str, bill: bytes, licences: bytes) -> Layer:
        """The last layer: what the image is made of."""
        entries = [
            Entry(path=f"{_WHERE}/{image}.cdx.json", content=bill),
            Entry(path=f"{_WHERE}/{image}.licences.txt", content=licences),
        ]
        key = [hashlib.sha256(entry.read()).hexdigest() for entry in entries]
        return self._layer(f"sbom-{image}", key, lambda _work: entries)

    def unpacked(self, name: str) -> list[Entry]:
        """The files of a set of Debian packages."""
        if name not in self._files:
            self._files[name] = list(self._unpack(name))
        return self._files[name]

    def _debian(self, name: str) -> Layer:
        key = [package.line for package in self._inputs.packages if package.set == name]

        def entries(work: Path) -> list[Entry]:
            found = self.unpacked(name)
            if name == _BOTTOM:
                return [*found, *system.entries(found)]
            return self._compiled(found, work) if name == _PYTHON else found

        return self._layer(f"debian-{name}", key, entries)

    def _artifact(self, name: str) -> Layer:
        store = self._inputs.store
        return self._layer(
            f"artifact-{name}", [store.pins.artifact(name).tree], lambda _work: list(trees.artifact(store, name))
        )

    def _env(self, name: str) -> Layer:
        store = self._inputs.store
        key = [trees.env_key(store, name), self._python_key]
        return self._layer(f"env-{name}", key, lambda work: self._compiled(trees.env(store, name), work))

    def _rooms(self, rooms: Sequence[str]) -> Layer:
        checkout = self._inputs.checkout
        key = [trees.checkout_key(checkout, rooms), self._python_key]
        return self._layer(
            f"checkout-{'-'.join(rooms)}".replace("/", "-"),
            key,
            lambda work: self._compiled(trees.checkout(checkout, rooms), work),
        )

    def _layer(self, name: str, key: Sequence[str], entries: Entries) -> Layer:
        """The layer of these inputs, from the store or written now."""
        if name in self._done:
            return self._done[name]
        folder = self._inputs.folder
        recipe = json.dumps([list(key), self._inputs.recipes.epoch, _code()])
        record = folder / "layers" / name / f"{hashlib.sha256(recipe.encode()).hexdigest()}.json"
        known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        if not known or self._inputs.again or not (folder / "blobs" / known["sha256"]).is_file():
            known = self._write(name, known.get("sha256"), entries)
            record.parent.mkdir(parents=True, exist_ok=True)
            for former in record.parent.iterdir():
                former.unlink()
            record.write_text(json.dumps(known), encoding="utf-8")
        blob = folder / "blobs" / known["sha256"]
        self._done[name] = Layer(name=name, sha256=known["sha256"], size=known["size"], blob=blob)
        return self._done[name]

    def _write(self, name: str, before: str | None, entries: Entries) -> dict[str, Any]:
        blobs = self._inputs.folder / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=self._inputs.folder) as work:
            draft = Path(work) / "layer.tar"
            with draft.open("wb") as file:
                written = write(entries(Path(work) / "files"), file, self._inputs.recipes.epoch)
            target = blobs / written.sha256
            draft.replace(target)
        if before not in (None, written.sha256):
            raise ArtifactError(
                f"The layer {name} came out different from the last time, with the same inputs.",
                why=f"its sha256 is {written.sha256}, it was {before}",
                remedy=f"compare the two tars, {target} and the former beside it",
            )
        self._inputs.say(f"  {name}: {written.size / 1e6:.0f} MB, sha256:{written.sha256[:12]}")
        return {"sha256": written.sha256, "size": written.size}

    def _compiled(self, entries: Iterable[Entry], work: Path) -> list[Entry]:
        return bytecode.compiled(list(entries), self._interpreter, work)

    @cached_property
    def _interpreter(self) -> Path:
        """A folder with the image's Python, as far as it takes to run it here."""
        for name in self._inputs.recipes.below(_PYTHON):
            bytecode.lay_out(self.unpacked(name), self._scratch)
        return self._scratch

    @cached_property
    def _python_key(self) -> str:
        """What bytecode depends on: the packages Python is in."""
        lines = [package.line for package in self._inputs.packages if package.set == _PYTHON]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _unpack(self, name: str) -> Iterator[Entry]:
        folder = debs(self._inputs)
        for package in (one for one in self._inputs.packages if one.set == name):
            content = apt.path(package, folder).read_bytes()
            if hashlib.sha256(content).hexdigest() != package.sha256:
                raise ArtifactError(
                    f"The Debian package {package.name} in the store is not as locked.",
                    remedy=f"rm {apt.path(package, folder)}; then build again",
                )
            yield from deb.entries(content, package.name)


def debs(inputs: Inputs) -> Path:
    """Where Debian packages are kept."""
    return inputs.folder / "debian"


def prune(folder: Path) -> None:
    """Remove the layers in ``folder`` that nothing names any more: another one took their place."""
    named = {json.loads(record.read_text(encoding="utf-8"))["sha256"] for record in folder.glob("layers/*/*.json")}
    for blob in (folder / "blobs").iterdir():
        if blob.name not in named:
            blob.unlink()


def _code() -> str:
    """A sum over what decides on a layer's bytes: layers made by other code are made again."""
    modules = (bytecode, deb, layer, layout, system, trees)
    files = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    return hashlib.sha256("".join(manifest.sha256(file) for file in files).encode()).hexdigest()
