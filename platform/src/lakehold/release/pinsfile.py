"""Read ``platform/pins.toml``; what is wrong in it is named by its path."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lakehold.errors import ConfigError
from lakehold.release.pins import PINS, EnvPin, GoPin, Pin, Pins, suggest

_ADAPTER: TypeAdapter[Pin] = TypeAdapter(Annotated[Pin, Field(discriminator="kind")])


def load_pins(path: Path = PINS) -> Pins:
    """Read the pins' file; :class:`ConfigError` names the key that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"Cannot read {path}.", why=str(error), remedy="git checkout -- platform/pins.toml"
        ) from error
    return parse_pins(text, str(path))


def parse_pins(text: str, source: str = "pins.toml") -> Pins:
    """Parse the text of a pins' file; ``source`` is what errors call it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not TOML.", why=str(error)) from error
    unknown = sorted(raw.keys() - {"artifacts", "envs"})
    if unknown:
        raise ConfigError(f"{source}: {unknown[0]}: unknown table.", remedy=suggest(unknown[0], ["artifacts", "envs"]))
    artifacts = {name: _pin(name, value, source) for name, value in _table(raw, "artifacts", source).items()}
    envs = {name: _env(name, value, source) for name, value in _table(raw, "envs", source).items()}
    pins = Pins(artifacts=artifacts, envs=envs)
    if any(isinstance(pin, GoPin) for pin in artifacts.values()) and "go" not in artifacts:
        raise ConfigError(f"{source}: a Go program is pinned, but no artifact called 'go' to build it with.")
    return pins


def _table(raw: Mapping[str, Any], key: str, source: str) -> Mapping[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise ConfigError(f"{source}: {key}: expected tables, [{key}.<name>].")
    return value


def _pin(name: str, value: Mapping[str, Any], source: str) -> Pin:
    try:
        return _ADAPTER.validate_python({**value, "name": name})
    except ValidationError as error:
        raise _config_error(error, f"{source}: artifacts.{name}", drop=1) from error


def _env(name: str, value: Mapping[str, Any], source: str) -> EnvPin:
    try:
        return EnvPin.model_validate({**value, "name": name})
    except ValidationError as error:
        raise _config_error(error, f"{source}: envs.{name}", drop=0) from error


def _config_error(error: ValidationError, where: str, *, drop: int) -> ConfigError:
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    path = ".".join([where, *(str(part) for part in location[drop if len(location) > drop else 0 :])])
    return ConfigError(f"{path}: {first['msg']}.", why=f"it is {first.get('input')!r}" if len(location) > drop else "")
