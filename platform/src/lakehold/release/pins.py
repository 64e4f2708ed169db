"""``platform/pins.toml`` as data: every artifact with its version, origin, sums, licence, and why it is that one."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehold.errors import ConfigError
from lakehold.release.licences import OPEN_DATA, OSI_APPROVED, unapproved

PLATFORM = Path(__file__).resolve().parents[3]
"""The checkout's ``platform/`` folder."""
PINS = PLATFORM / "pins.toml"
LOCKS = PLATFORM / "locks"

_Sum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
_Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class Unpack(_Strict):
    """How a download becomes the tree in the store. Paths are relative, with forward slashes.

    The order: open the archive, take ``subtree``, drop what ``keep`` does not name, ``move``, ``write``, set modes.
    """

    format: Literal["file", "tar", "zip"] = "file"
    member: str = ""
    """An archive inside the archive (the PostgreSQL jar holds a tar)."""
    subtree: str = ""
    """The folder of the archive that becomes the root."""
    keep: Mapping[str, tuple[str, ...]] = {}
    """Folder → names that stay in it."""
    move: Mapping[str, str] = {}
    write: Mapping[str, str] = {}
    """Executable file → its text."""
    executable: tuple[str, ...] = ()
    """Globs of programs, for archives (wheels) that lost the mode bits."""

    @model_validator(mode="after")
    def _relative(self) -> Unpack:
        names = [self.member, self.subtree, *self.keep, *self.move, *self.move.values(), *self.write]
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{name!r} leaves the artifact's folder")
        return self


class MavenFile(NamedTuple):
    """One file of a Maven repository."""

    group: str
    artifact: str
    version: str
    classifier: str
    packaging: str

    @property
    def filename(self) -> str:
        """Its name there."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.packaging}"


class _Pin(_Strict):
    name: _Name
    group: Literal["runtime", "build", "data", "test"] = "runtime"
    version: _Text
    line: str = ""
    """What the version of a newer release begins with, when another line would not do."""
    tree: _Sum
    """Sum over the unpacked tree: see :mod:`lakehold.release.manifest`."""
    disk: int = Field(gt=0)
    """Bytes the fetch needs at its peak, download included."""
    license: _Text
    """SPDX identifier or expression."""
    reason: _Text
    machine: Literal["", "x86_64"] = ""
    """The machine the artifact's programs run on; empty when any."""

    @model_validator(mode="after")
    def _open_source(self) -> _Pin:
        accepted = OSI_APPROVED | OPEN_DATA if self.group == "data" else OSI_APPROVED
        wrong = [] if self.group == "test" else unapproved(self.license, accepted)
        if wrong:
            raise ValueError(
                f"license {' '.join(wrong)!r} is not OSI-approved, so it cannot be in group {self.group!r}"
            )
        return self


class _FilePin(_Pin):
    sha256: _Sum
    """Of the download (of the program, for a Go module: such builds are reproducible)."""
    size: int = Field(gt=0)
    """Bytes of the download (of the program, for a Go module)."""
    unpack: Unpack = Unpack()

    @property
    def single(self) -> bool:
        """Whether the artifact is one file (a jar, a program) and no folder."""
        return self.unpack.format == "file"


class MavenPin(_FilePin):
    """An artifact of a Maven repository."""

    kind: Literal["maven"]
    coordinates: str = Field(pattern=r"^[\w.-]+:[\w.-]+$")
    """``group:artifact``."""
    packaging: _Text = "jar"
    classifier: str = ""

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return f"Maven {self.coordinates}"

    @property
    def file(self) -> MavenFile:
        """The file in the repository."""
        group, artifact = self.coordinates.split(":")
        return MavenFile(group, artifact, self.version, self.classifier, self.packaging)

    @property
    def filename(self) -> str:
        """Name of the download."""
        return self.file.filename


class Jar(_Strict):
    """One jar of a :class:`JarsPin`."""

    sha256: _Sum
    size: int = Field(gt=0)


class JarsPin(_Pin):
    """A program that is a class path: its jar and all jars that one needs."""

    kind: Literal["jars"]
    jars: Mapping[str, Jar] = Field(min_length=1)
    """``group:artifact:version[:classifier]`` → its sum; the first is the program."""

    @model_validator(mode="after")
    def _coordinates(self) -> JarsPin:
        for coordinates in self.jars:
            if not re.fullmatch(r"[\w.-]+(:[\w.-]+){2,3}", coordinates):
                raise ValueError(f"{coordinates!r} is not group:artifact:version[:classifier]")
        return self

    @property
    def files(self) -> dict[MavenFile, Jar]:
        """The files in the repository."""
        found = {}
        for coordinates, jar in self.jars.items():
            group, artifact, version, *classifier = coordinates.split(":")
            found[MavenFile(group, artifact, version, "".join(classifier), "jar")] = jar
        return found

    @property
    def sha256(self) -> str:
        """One sum over all."""
        return hashlib.sha256("".join(sorted(jar.sha256 for jar in self.jars.values())).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all downloads."""
        return sum(jar.size for jar in self.jars.values())

    @property
    def filename(self) -> str:
        """Name of the folder the downloads wait in."""
        return f"{self.name}-{self.version}"

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        group, artifact, *_rest = next(iter(self.jars)).split(":")
        return f"Maven {group}:{artifact} and {len(self.jars) - 1} more"

    @property
    def single(self) -> bool:
        """It is a folder."""
        return False

    @property
    def unpack(self) -> Unpack:
        """Taken as they are."""
        return Unpack()


class PypiPin(_FilePin):
    """One file of a Python package."""

    kind: Literal["pypi"]
    project: _Text
    filename: str = Field(pattern=r"^[\w.+-]+$")

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return f"PyPI {self.project}"


class GoPin(_FilePin):
    """A program built from a Go module, with the toolchain that is pinned as ``go``."""

    kind: Literal["go"]
    package: _Text
    """The import path of the program, below its module."""
    module: _Text

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return f"Go {self.module}"

    @property
    def filename(self) -> str:
        """Name of the program."""
        return PurePosixPath(self.package).name


Pin = MavenPin | JarsPin | PypiPin | GoPin


class EnvPin(_Strict):
    """A Python environment, built by uv from ``locks/<name>.txt``."""

    name: _Name
    disk: int = Field(gt=0)
    """Bytes it needs, uv's cache included."""
    reason: _Text


class Pins(_Strict):
    """The whole of ``pins.toml``."""

    artifacts: Mapping[str, Pin]
    envs: Mapping[str, EnvPin]

    def group(self, *groups: str) -> list[str]:
        """Names of the pins in the given groups, in the file's order."""
        return [name for name, pin in self.artifacts.items() if pin.group in groups]

    def artifact(self, name: str) -> Pin:
        """The pin called ``name``; :class:`ConfigError` with the nearest name when there is none."""
        if name not in self.artifacts:
            raise ConfigError(f"There is no pin called {name!r}.", remedy=suggest(name, self.artifacts))
        return self.artifacts[name]

    def env(self, name: str) -> EnvPin:
        """The environment called ``name``; :class:`ConfigError` with the nearest name when there is none."""
        if name not in self.envs:
            raise ConfigError(f"There is no Python environment called {name!r}.", remedy=suggest(name, self.envs))
        return self.envs[name]


def suggest(name: str, known: Any) -> str:
    """The nearest known name, or all of them."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else f"known are: {', '.join(sorted(known))}"
