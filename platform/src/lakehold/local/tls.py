"""The installation's own certificate authority and its one server certificate."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509

from lakehold.components import certificates
from lakehold.local.files import ensure_directory, write_atomic


def ensure_certificates(folder: Path, host: str, now: dt.datetime) -> bool:
    """Make ``ca.pem``, ``ca.key`` and ``server.pem`` (certificate, key), or renew what is about to end.

    Returns whether anything was written. ``now`` is in UTC.
    """
    ensure_directory(folder)
    authority = _read_certificate(folder / "ca.pem")
    server = _read_certificate(folder / "server.pem")
    if authority is None or not certificates.lasts(authority, now) or not (folder / "ca.key").is_file():
        authority_key = certificates.new_key()
        authority = certificates.authority(authority_key, now)
        write_atomic(folder / "ca.key", certificates.pem_key(authority_key))
        write_atomic(folder / "ca.pem", certificates.pem(authority))
        server = None
    if server is not None and certificates.lasts(server, now) and certificates.covers(server, [host]):
        return False
    loaded = certificates.load_key((folder / "ca.key").read_bytes())
    key = certificates.new_key()
    made = certificates.server(key, authority, loaded, [host], now)
    write_atomic(folder / "server.pem", certificates.pem(made) + certificates.pem_key(key))
    return True


def expiry(folder: Path) -> dt.datetime | None:
    """Return when the server certificate ends, or ``None`` when there is none."""
    server = _read_certificate(folder / "server.pem")
    return server.not_valid_after_utc if server else None


def _read_certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
