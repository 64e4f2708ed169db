"""The key pair of an OpenMetadata of ours, and tokens signed with it (pure)."""

from __future__ import annotations

import base64
import binascii
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lakehold.errors import ConfigError

RSA, KEY_ID = "openmetadata.rsa", "openmetadata.key-id"
"""The secrets: the private key (DER in base64), and the name by which the server finds its public half."""
PRIVATE, PUBLIC = "private_key.der", "public_key.der"
ISSUER = "lakehold"
DOMAIN = "lakehold.local"
"""Of the e-mail addresses that OpenMetadata's own users have; nothing is sent there."""
_LEAST_BITS = 2048


def key_files(secret: str) -> dict[str, bytes]:
    """Return both keys as OpenMetadata reads them, by file name; :class:`ConfigError` when ``secret`` is none."""
    private = _private(secret)
    return {
        PRIVATE: private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        PUBLIC: private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }


def token(secret: str, key_id: str, user: str) -> str:
    """Return a bearer token of ``user`` (RFC 7519, RS256), the same each time; it does not expire."""
    header = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
    claims = {"iss": ISSUER, "sub": user, "email": f"{user}@{DOMAIN}", "iat": 0}
    signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{_encoded(_private(secret).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _private(secret: str) -> rsa.RSAPrivateKey:
    remedy = f"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -outform DER | base64 -w0, as the key {RSA}"
    try:
        key = serialization.load_der_private_key(base64.b64decode(secret.strip(), validate=True), password=None)
    except (ValueError, TypeError, binascii.Error) as error:
        raise ConfigError(f"The secret {RSA} is no private key (DER in base64).", remedy=remedy) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise ConfigError(f"The secret {RSA} is no RSA key of at least {_LEAST_BITS} bits.", remedy=remedy)
    return key
