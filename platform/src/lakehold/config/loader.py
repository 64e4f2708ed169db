"""Find the checkout, read ``lakehold.toml`` and ``LAKEHOLD_*``, and return frozen :class:`Settings`."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lakehold.config.settings import Settings
from lakehold.errors import ConfigError

FILE = "lakehold.toml"
_MEANT = 0.7
"""How alike a variable's key and a setting's must be for the one to be taken for the other, misspelt."""
_SECTIONS = tuple(
    name
    for name, field in Settings.model_fields.items()
    if isinstance(_model := field.annotation, type) and issubclass(_model, BaseModel)
)
_SCALARS = tuple(name for name in Settings.model_fields if name not in (*_SECTIONS, "ports"))


def find_checkout(start: Path) -> Path:
    """Return the nearest checkout at or above ``start``; :class:`ConfigError` when there is none."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file() or (folder / "platform" / "pins.toml").is_file():
            return folder
    raise ConfigError(
        f"{start} is not inside a Lakehold checkout.",
        why=f"neither {FILE} nor platform/pins.toml is in it or in a folder above it",
        remedy="cd into the checkout, or name it: LAKEHOLD_CHECKOUT=/path/to/checkout lakehold …",
    )


def load_settings(checkout: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of ``checkout``; the environment's ``LAKEHOLD_*`` come on top of the file's.

    Every problem is a :class:`ConfigError` that names the key, and the line of the file it is on.
    """
    path = checkout / FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML.", why=str(error), remedy=f"edit {path}") from error
    overrides = environment_overrides(os.environ if environ is None else environ)
    merged = _merge(raw, {key: value for key, (value, _variable) in overrides.items()})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise _config_error(
            error, path, text, {key: variable for key, (_value, variable) in overrides.items()}
        ) from error


def environment_overrides(environ: Mapping[str, str]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return key path → (value, variable) for each variable that names a setting.

    ``LAKEHOLD_TRINO_HEAP=3G`` is ``[trino] heap``, ``LAKEHOLD_PORTS_AIRFLOW=8080`` is ``[ports] airflow``,
    ``LAKEHOLD_STATE=/big/disk`` is ``state``. A misspelt key is found here and refused later; what resembles no key
    (``LAKEHOLD_TRINO_PASSWORD``) belongs to somebody else and is left alone.
    """
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for variable, value in environ.items():
        if not variable.startswith("LAKEHOLD_"):
            continue
        name = variable.removeprefix("LAKEHOLD_").lower()
        section, _, key = name.partition("_")
        if name in _SCALARS:
            found[(name,)] = (value, variable)
        elif section == "ports" and key:
            found[("ports", key.replace("__", "."))] = (value, variable)
        elif section in _SECTIONS and difflib.get_close_matches(key, _known((section,)), n=1, cutoff=_MEANT):
            found[(section, key)] = (value, variable)
    return found


def _merge(raw: Mapping[str, Any], overrides: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for path, value in overrides.items():
        if len(path) == 1:
            merged[path[0]] = value
        else:
            section = merged.setdefault(path[0], {})
            if isinstance(section, dict):
                section[path[1]] = value
    return merged


def _config_error(
    error: ValidationError, path: Path, text: str, variables: Mapping[tuple[str, ...], str]
) -> ConfigError:
    problems = []
    for detail in error.errors():
        location = tuple(str(part) for part in detail["loc"])
        variable = variables.get(location)
        line = _line_of(text, location)
        where = f"environment variable {variable}" if variable else f"{path}:{line}" if line else str(path)
        problems.append(f"{where}: {'.'.join(location)}: {_explain(detail, location)}")
    one = len(problems) == 1
    return ConfigError(
        problems[0] if one else f"{len(problems)} settings are wrong.",
        why="" if one else "\n          ".join(problems),
        remedy=f"edit {path.name} (all keys: docs/reference/settings.md)"
        if not variables
        else f"edit {path.name} or unset the variable",
    )


def _explain(detail: Any, location: tuple[str, ...]) -> str:  # pydantic's ErrorDetails is a TypedDict of Any
    if detail["type"] != "extra_forbidden":
        return str(detail["msg"])
    close = difflib.get_close_matches(location[-1], _known(location[:-1]), n=1, cutoff=0.5)
    hint = f', did you mean "{close[0]}"?' if close else f"; known: {', '.join(_known(location[:-1]))}"
    return "unknown key" + hint


def _known(parents: tuple[str, ...]) -> list[str]:
    model: Any = Settings
    for parent in parents:
        annotation = model.model_fields[parent].annotation
        model = next((arg for arg in get_args(annotation) if isinstance(arg, type)), annotation)
    return list(model.model_fields)


def _line_of(text: str, location: tuple[str, ...]) -> int | None:
    """Return the line a key is on, counted from 1: a reader's help, so inline tables give up and return ``None``."""
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            section = tuple(part.strip(" \"'") for part in stripped.strip("[] ").split("]")[0].split("."))
            if section == location:
                return number
        elif "=" in stripped:
            key = tuple(part.strip(" \"'") for part in stripped.split("=", 1)[0].split("."))
            if section + key == location or (*section, ".".join(key)) == location:
                return number
    return None
