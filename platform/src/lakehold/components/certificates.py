"""An installation's certificate authority and the server certificates it signs: made here, kept by each runtime."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
_SERVER_DAYS = 825  # the longest that all common clients accept
RENEW_DAYS = 90
"""A certificate with less than this left is renewed."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
    """Return a certificate authority that signs server certificates and nothing else; ``now`` is in UTC."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lakehold installation CA")])
    builder = _builder(name, name, key, now, _CA_DAYS)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def server(
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    hosts: Iterable[str],
    now: dt.datetime,
) -> x509.Certificate:
    """Return a server certificate for these host names and addresses, and for the machine's own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lakehold")])
    builder = _builder(subject, issuer.subject, key, now, _SERVER_DAYS)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        builder.add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def covers(certificate: x509.Certificate, hosts: Iterable[str]) -> bool:
    """Whether a server certificate is for all of these."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_names(hosts)) <= set(names)


def lasts(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether a certificate need not be renewed yet."""
    return certificate.not_valid_after_utc >= now + dt.timedelta(days=RENEW_DAYS)


def pem(certificate: x509.Certificate) -> str:
    """Write a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Write a private key, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def load_key(text: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key; :class:`TypeError` for one of another kind."""
    key = serialization.load_pem_private_key(text, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic curve key")
    return key


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for host in dict.fromkeys(["localhost", "127.0.0.1", "::1", *hosts]):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            found.append(x509.DNSName(host))
    return found


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )
