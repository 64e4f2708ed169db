"""The installation's own certificate authority and its one server certificate."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lakehold.local.files import ensure_directory, write_atomic

_CA_DAYS = 3650
_SERVER_DAYS = 825  # the longest that all common clients accept
RENEW_DAYS = 90
"""A certificate with less than this left is renewed by the next ``lakehold up``."""


def ensure_certificates(folder: Path, host: str, now: dt.datetime) -> bool:
    """Make ``ca.pem``, ``ca.key`` and ``server.pem`` (certificate, key), or renew what is about to end.

    Returns whether anything was written. ``now`` is in UTC.
    """
    ensure_directory(folder)
    limit = now + dt.timedelta(days=RENEW_DAYS)
    authority = _read_certificate(folder / "ca.pem")
    server = _read_certificate(folder / "server.pem")
    if authority is None or authority.not_valid_after_utc < limit or not (folder / "ca.key").is_file():
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(authority_key, now)
        write_atomic(folder / "ca.key", _pem_key(authority_key))
        write_atomic(folder / "ca.pem", _pem(authority))
        server = None
    if server is not None and server.not_valid_after_utc >= limit and _covers(server, host):
        return False
    loaded = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / 'ca.key'} is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    write_atomic(folder / "server.pem", _pem(_server(key, authority, loaded, host, now)) + _pem_key(key))
    return True


def expiry(folder: Path) -> dt.datetime | None:
    """Return when the server certificate ends, or ``None`` when there is none."""
    server = _read_certificate(folder / "server.pem")
    return server.not_valid_after_utc if server else None


def _names(host: str) -> list[x509.GeneralName]:
    addresses = dict.fromkeys(["127.0.0.1", "::1", host])
    return [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]


def _covers(certificate: x509.Certificate, host: str) -> bool:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_names(host)) <= set(names)


def _authority(key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
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


def _server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    host: str,
    now: dt.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lakehold")])
    builder = _builder(subject, authority.subject, key, now, _SERVER_DAYS)
    return (
        builder.add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


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


def _read_certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
