"""Values of secrets that nobody has to choose: drawn once, kept by each runtime in its own way."""

from __future__ import annotations

import base64
import secrets
import string

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_ALPHABET = string.ascii_letters + string.digits
"""No character that a URL, a properties file, a shell or JDBC would read as anything but itself."""
_LENGTH = 40
"""62^40 is about 238 bits."""
_OPENMETADATA_LENGTH = 16
"""OpenMetadata takes no longer password, and wants one of each kind of character; 62^15 is about 89 bits."""


def generate(name: str) -> str:
    """Return a new value for the secret ``name``; ``….rsa`` is a private key (PKCS 8), ``….fernet`` Fernet's."""
    if name.endswith(".fernet"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if name.endswith(".rsa"):
        return base64.b64encode(_rsa()).decode()
    if name == "openmetadata.admin":
        return _of_each_kind()
    return _drawn(_LENGTH)


def _drawn(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _of_each_kind() -> str:
    drawn = ""
    while not all(any(map(kind, drawn)) for kind in (str.isupper, str.islower, str.isdigit)):
        drawn = _drawn(_OPENMETADATA_LENGTH - 1)
    return f"{drawn}-"


def _rsa() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
