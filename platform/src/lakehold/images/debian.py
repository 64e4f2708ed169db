"""The lock of Debian packages, and what their descriptions say they need (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lakehold.errors import ConfigError
from lakehold.images.recipes import DOCKER, Recipes

LOCK = DOCKER / "debian.lock"
_HEAD = """\
# Debian packages of the images: set, package, version, architecture, bytes, sha256.
# Made by `python -m lakehold.images lock` from what apt knows; the sets are in docker/images.toml.
"""
_REMEDY = "python -m lakehold.images lock; then review the difference"


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package, exactly."""

    set: str
    name: str
    version: str
    architecture: str
    size: int
    sha256: str

    @property
    def line(self) -> str:
        """Its line in the lock."""
        return f"{self.set} {self.name} {self.version} {self.architecture} {self.size} {self.sha256}"


def parse(text: str, recipes: Recipes) -> tuple[Package, ...]:
    """Read a lock; :class:`ConfigError` when a line is wrong, or it does not name exactly the sets' packages."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line:
            continue
        words = line.split(" ")
        if len(words) != 6 or not words[4].isdecimal() or not re.fullmatch(r"[0-9a-f]{64}", words[5]):
            raise ConfigError(f"debian.lock, line {number}: it is no package.", why=line, remedy=_REMEDY)
        of, name, version, architecture, size, sha256 = words
        found.append(
            Package(set=of, name=name, version=version, architecture=architecture, size=int(size), sha256=sha256)
        )
    wanted = {(of, name) for of, packages in recipes.debian.items() for name in packages.packages}
    if other := wanted ^ {(package.set, package.name) for package in found}:
        names = ", ".join(sorted(name for _set, name in other))
        raise ConfigError(f"debian.lock does not fit docker/images.toml: {names}.", remedy=_REMEDY)
    return tuple(found)


def render(packages: Iterable[Package]) -> str:
    """Write a lock."""
    return _HEAD + "".join(f"{package.line}\n" for package in packages)


def stanzas(text: str) -> list[dict[str, str]]:
    """Descriptions of packages as apt prints them: field → value, continuation lines included."""
    found = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        fields: dict[str, str] = {}
        last = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                fields[last] += "\n" + line.strip()
                continue
            last, _colon, value = line.partition(":")
            fields[last] = value.strip()
        if fields:
            found.append(fields)
    return found


def resolve(described: Iterable[Mapping[str, str]], recipes: Recipes) -> tuple[Package, ...]:
    """The lock's packages from their descriptions; :class:`ConfigError` names what is unknown or has an unmet need."""
    known = {fields["Package"]: fields for fields in described}
    found = []
    for name, packages in recipes.debian.items():
        if lacking := [package for package in packages.packages if package not in known]:
            raise ConfigError(f"apt knows no package {lacking[0]}.", remedy="apt-get update, on a Debian 12")
        below = recipes.below(name)
        having = {package for one in below for package in recipes.debian[one].packages}
        having |= {package for one in below for package in recipes.debian[one].without}
        having |= {one for package in having if package in known for one in _names(known[package].get("Provides", ""))}
        for package in packages.packages:
            if unmet := _unmet(known[package], having):
                raise ConfigError(
                    f"docker/images.toml: debian.{name}: {package} needs {unmet[0]}.",
                    remedy="add it to the set, or to `without` if only scripts of the package use it",
                )
            found.append(_package(name, known[package]))
    return tuple(found)


def _package(of: str, fields: Mapping[str, str]) -> Package:
    return Package(
        set=of,
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
    )


def _unmet(fields: Mapping[str, str], having: set[str]) -> list[str]:
    needs = [group for key in ("Pre-Depends", "Depends") for group in fields.get(key, "").split(",") if group.strip()]
    return [group.strip() for group in needs if not having & set(_names(group.replace("|", ",")))]


def _names(relations: str) -> list[str]:
    """Names of a relation field, without versions and architectures."""
    return [re.split(r"[\s(:\[]", one.strip(), maxsplit=1)[0] for one in relations.split(",") if one.strip()]
