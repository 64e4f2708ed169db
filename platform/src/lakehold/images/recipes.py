"""``docker/images.toml`` as data: the sets of Debian packages and what each image is made of."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehold.cluster import layout
from lakehold.errors import ConfigError
from lakehold.release.pins import PLATFORM, EnvPin, Pins

DOCKER = PLATFORM.parent / "docker"
RECIPES = DOCKER / "images.toml"
PLATFORM_ENV = EnvPin(
    name="lakehold",
    disk=500_000_000,
    reason="The command and the lineage service; on one machine it is the checkout's .venv.",
)
AIRFLOW_ENV = EnvPin(
    name="airflow-cluster",
    disk=2_000_000_000,
    reason="Airflow as on one machine, with what pods, Git and an outside S3 need besides.",
)
IMAGE_ENVS = (PLATFORM_ENV, AIRFLOW_ENV)
"""The environments that only images need from the store."""

_Text = Annotated[str, Field(min_length=1)]
_Names = tuple[_Text, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DebianSet(_Strict):
    """Debian packages that make one layer."""

    reason: _Text
    packages: _Names = Field(min_length=1)
    on: _Names = ()
    """Sets below it."""
    without: _Names = ()
    """Dependencies that only scripts of the packages would use."""


class Image(_Strict):
    """What is in one image, layer by layer."""

    summary: _Text
    debian: _Names = Field(min_length=1)
    artifacts: _Names = ()
    envs: _Names = ()
    rooms: _Names = ()
    """Folders of the checkout it has besides ``platform/``, which every image has."""
    variables: Mapping[str, str] = {}
    """Environment variables that only this image has."""
    entrypoint: _Names = ()
    command: _Names = ()


class Recipes(_Strict):
    """The whole file."""

    created: datetime
    debian: Mapping[str, DebianSet]
    images: Mapping[str, Image]
    licences: Mapping[str, _Text] = {}
    """SPDX expressions of the packages that do not state their licence in a form a program can read."""

    @model_validator(mode="after")
    def _sets(self) -> Recipes:
        seen: set[str] = set()
        for name, packages in self.debian.items():
            if lacking := [below for below in packages.on if below not in seen]:
                raise ValueError(f"debian.{name}: on: {lacking[0]!r} is no set above it")
            seen.add(name)
        for name, image in self.images.items():
            for position, one in enumerate(image.debian):
                if one not in self.debian:
                    raise ValueError(f"images.{name}: debian: there is no set {one!r}")
                if lacking := [below for below in self.debian[one].on if below not in image.debian[:position]]:
                    raise ValueError(f"images.{name}: debian: {one!r} needs {lacking[0]!r} before it")
        return self

    @property
    def epoch(self) -> int:
        """Seconds since 1970 of ``created``."""
        return int(self.created.timestamp())

    def image(self, name: str) -> Image:
        """The image called ``name``; :class:`ConfigError` when there is none."""
        if name not in self.images:
            raise ConfigError(f"There is no image called {name!r}.", remedy=f"known are: {', '.join(self.images)}")
        return self.images[name]

    def below(self, name: str) -> tuple[str, ...]:
        """A set of packages with all that it is on."""
        found: dict[str, None] = {}
        for one in self.debian[name].on:
            found |= dict.fromkeys(self.below(one))
        return (*found, name)


def load_recipes(path: Path = RECIPES) -> Recipes:
    """Read the recipes; :class:`ConfigError` names the key that is wrong."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Recipes.model_validate(raw)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"Cannot read {path}.", why=str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(": ".join(filter(None, [path.name, where, f"{first['msg']}."]))) from error


def with_platform(pins: Pins) -> Pins:
    """The pins, and the environments that only images need."""
    return pins.model_copy(update={"envs": {**pins.envs, **{env.name: env for env in IMAGE_ENVS}}})


def variables(image: Image, pins: Pins) -> dict[str, str]:
    """The image's own environment variables."""
    return dict(zip(image.variables, command(tuple(image.variables.values()), pins), strict=True))


def command(words: tuple[str, ...], pins: Pins) -> list[str]:
    """Words with ``{name}`` replaced by where that artifact or environment is."""

    def found(match: re.Match[str]) -> str:
        name = match[1]
        return str(layout.python(name).parents[1] if name in pins.envs else layout.STORE / pins.artifact(name).name)

    return [re.sub(r"\{([a-z0-9-]+)\}", found, word) for word in words]
