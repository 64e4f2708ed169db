"""The parts of an image, with their licences as their packages state them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from lakehold.errors import ArtifactError, ConfigError
from lakehold.images import jars, sbom, trees
from lakehold.images.debian import Package
from lakehold.images.layer import Entry
from lakehold.images.recipes import Image
from lakehold.images.sbom import Licence, Part
from lakehold.release.store import Store

_PACKAGES = ("pkg:deb/", "pkg:pypi/")
"""Beginnings of the names of what was packaged by somebody who states a licence."""


def parts_of(image: Image, store: Store, debian: Mapping[str, list[Part]]) -> list[Part]:
    """All parts of an image; ``debian`` by the name of the set."""
    found = [part for name in image.debian for part in debian[name]]
    for name in image.artifacts:
        found += sbom.of_pin(store.pins.artifact(name))
        found += jars.inside(trees.artifact(store, name))
    for name in image.envs:
        found += jars.inside(trees.env(store, name))
        found += python_parts(store.env_lock(name).read_text(encoding="utf-8"), store.python(name).parent.parent)
    return found


def stated(parts: Iterable[Part], licences: Mapping[str, str]) -> list[Part]:
    """The parts, with ``licences`` (SPDX, by name) where they are silent (pure).

    :class:`ConfigError` names a Debian or Python package without any; of what is inside jars nobody is asked.
    """
    found = []
    for part in parts:
        if part.licence == Licence() and part.purl.startswith(_PACKAGES):
            if part.name not in licences:
                raise ConfigError(
                    f"docker/images.toml: licences: {part.name} is not there.",
                    why="it does not say in a form programs can read what its licence is",
                    remedy="read its copyright file or its METADATA, and add the SPDX expression",
                )
            part = replace(part, licence=Licence(expression=licences[part.name]))
        found.append(part)
    return found


def python_parts(lock: str, folder: Path) -> list[Part]:
    """The packages of an environment; :class:`ArtifactError` when what is installed is not what its lock says."""
    licences: dict[str, Licence] = {}
    for metadata in sorted(folder.glob("lib/python3*/site-packages/*.dist-info/METADATA")):
        name = canonicalize_name(metadata.parent.name.removesuffix(".dist-info").rpartition("-")[0])
        licences[name] = sbom.python_licence(metadata.read_text(encoding="utf-8", errors="replace"))
    if other := sorted(sbom.locked(lock).keys() ^ licences.keys()):
        raise ArtifactError(
            f"The Python environment in {folder} is not its lock: {', '.join(other[:5])}.",
            remedy="lakehold pins verify",
        )
    return [part for part in sbom.of_lock(lock, licences) if part.name not in trees.INSTALLERS]


def debian_parts(packages: Iterable[Package], unpacked: Mapping[str, list[Entry]]) -> dict[str, list[Part]]:
    """The packages of every set; ``unpacked`` by the name of the set."""
    files = {entry.path: entry for entries in unpacked.values() for entry in entries}
    found: dict[str, list[Part]] = {name: [] for name in unpacked}
    for package in packages:
        found[package.set].append(sbom.of_debian(package, _copyright(package.name, files)))
    return found


def _copyright(name: str, files: Mapping[str, Entry]) -> str:
    """A package's copyright file; packages of one source may share one by a link in place of their folder."""
    folder = files.get(f"usr/share/doc/{name}")
    owner = folder.target.rstrip("/").rpartition("/")[2] if folder else name
    file = files.get(f"usr/share/doc/{owner}/copyright")
    return file.read().decode(errors="replace") if file and file.kind == "file" else ""
