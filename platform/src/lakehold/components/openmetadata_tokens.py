"""The key pair of an OpenMetadata that is run here, and tokens signed with it (pure)."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

DOMAIN = "lakehold.local"
"""Of the e-mail addresses that OpenMetadata's own users have; nothing is sent there."""


def key_files(secret: str) -> dict[str, bytes]:
    """Return both keys as OpenMetadata reads them, by file name; ``secret`` is the private one in base64."""
    private = _private(secret)
    return {
        "private_key.der": private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "public_key.der": private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }


def token(secret: str, key_id: str, user: str) -> str:
    """Return a bearer token of ``user`` (RFC 7519, RS256), the same each time; it does not expire."""
    header = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
    claims = {"iss": "lakehold", "sub": user, "email": f"{user}@{DOMAIN}", "iat": 0}
    signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{_encoded(_private(secret).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _private(secret: str) -> rsa.RSAPrivateKey:
    key = serialization.load_der_private_key(base64.b64decode(secret), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the secret openmetadata.rsa is no RSA key")
    return key
