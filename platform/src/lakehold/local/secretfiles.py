"""Secrets: generated once or given from outside, one file each (mode 0600), never shown unless asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from lakehold.components.generated import generate
from lakehold.components.lineage import OPENLINEAGE, OPENMETADATA
from lakehold.config.settings import CatalogSettings, Settings
from lakehold.errors import ConfigError
from lakehold.local.files import ensure_directory, write_atomic
from lakehold.tables.catalog import CREDENTIAL, TOKEN


def ensure_secrets(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return every secret in ``names``, generating those that have no file yet. The caller holds the site's lock."""
    ensure_directory(folder)
    values: dict[str, str] = {}
    for name in sorted(set(names)):
        path = folder / name
        value = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if not value:
            value = generate(name)
            write_atomic(path, value + "\n")
        values[name] = value
    return values


def outside_secrets(catalog: CatalogSettings, checkout: Path) -> dict[str, Callable[[], str]]:
    """Return how to read each secret the settings name a file for; that raises :class:`ConfigError` for a bad file."""
    return _readers({CREDENTIAL: catalog.credential_file, TOKEN: catalog.token_file}, checkout)


def sink_secrets(settings: Settings, checkout: Path) -> dict[str, Callable[[], str]]:
    """Return how to read the token of each of those who are told of lineage, likewise."""
    files = {OPENLINEAGE: settings.openlineage.token_file, OPENMETADATA: settings.openmetadata.token_file}
    return _readers(files, checkout)


def _readers(files: Mapping[str, Path | None], checkout: Path) -> dict[str, Callable[[], str]]:
    return {name: partial(_given, name, checkout / path) for name, path in files.items() if path is not None}


def _given(name: str, path: Path) -> str:
    key = f"{name}_file"
    try:
        mode = path.stat().st_mode & 0o777
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{key}: {path} cannot be read.", why=reason, remedy="correct the path") from error
    if mode & 0o077:
        raise ConfigError(
            f"{key}: {path} is open to other users (mode {mode:04o}).",
            why="whoever reads it can log in with it",
            remedy=f"chmod 600 {path}",
        )
    if not value or any(ord(letter) < ord(" ") for letter in value):
        raise ConfigError(
            f"{key}: {path} does not hold one line of text.", remedy="write the secret into it, and nothing else"
        )
    if name == CREDENTIAL and ":" not in value:
        raise ConfigError(
            f"{key}: {path} does not hold a client id, a colon and a client secret.", remedy="write `id:secret` into it"
        )
    return value
