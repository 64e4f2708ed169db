"""Values of secrets that nobody has to choose: drawn once, kept by each runtime in its own way."""

from __future__ import annotations

import base64
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
"""No character that a URL, a properties file, a shell or JDBC would read as anything but itself."""
_LENGTH = 40
"""62^40 is about 238 bits."""


def generate(name: str) -> str:
    """Return a new value for the secret ``name``; a Fernet key has the form Fernet asks for."""
    if name.endswith(".fernet"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
