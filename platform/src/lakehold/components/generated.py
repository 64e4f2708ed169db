"""Values of secrets that nobody has to choose: drawn once, kept by each runtime in its own way."""

from __future__ import annotations

import base64
import secrets
import string

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

RSA_BITS = 3072
_ALPHABET = string.ascii_letters + string.digits
"""No character that a URL, a properties file, a shell or JDBC would read as anything but itself."""
_LENGTH = 40
"""62^40 is about 238 bits."""


def generate(name: str) -> str:
    """Return a new value for the secret ``name``; a Fernet key has the form Fernet asks for, an RSA key is PKCS8."""
    if name.endswith(".fernet"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if name.endswith(".rsa"):
        return _rsa()
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _rsa() -> str:
    """Draw a private key: DER in base64, so that it is a line of text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(der).decode()
