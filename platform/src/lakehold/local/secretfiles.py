"""Secrets: generated once, one file each (mode 0600), never shown unless asked for."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterable
from pathlib import Path

from lakehold.local.files import ensure_directory, write_atomic

_ALPHABET = string.ascii_letters + string.digits
"""No character that a URL, a properties file, a shell or JDBC would read as anything but itself."""
_LENGTH = 40
"""62^40 is about 238 bits."""


def generate(name: str) -> str:
    """Return a new value for the secret ``name``; a Fernet key has the form Fernet asks for."""
    if name.endswith(".fernet"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


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
