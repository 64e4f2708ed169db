"""Make what is missing of an installation's secrets and certificate: ``python -m lakehold.cluster.keys``.

The Secrets belong to no release: only this Job makes and completes them, and no value that exists is ever changed. So
an upgrade, a rollback, a rendering without a cluster and a GitOps controller all leave them as they are, and a
reinstallation on kept volumes finds the keys they were written with. The one exception is a certificate of our own that
is about to end, or does not have the host names it needs.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509

from lakehold.cluster import api, layout
from lakehold.components import certificates
from lakehold.components.generated import generate
from lakehold.errors import LakeholdError, StartError

FILE = "keys.json"
"""What is wanted, below :data:`layout.GIVEN`: ``{"secret": name, "names": […], "tls": name, "hosts": […]}``; a name
that is empty is none of ours."""
_TRIES = 5
_LABELS = {"app.kubernetes.io/part-of": "lakehold"}

Missing = Callable[[Mapping[str, str]], dict[str, str]]
"""From what a Secret holds to what it lacks."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the chart asks for."""

    secret: str
    names: tuple[str, ...]
    tls: str
    hosts: tuple[str, ...]


def missing_secrets(names: Iterable[str]) -> Missing:
    """Return how to draw a value for each of these names that has none."""
    return lambda kept: {name: generate(name) for name in names if not kept.get(name)}


def missing_certificate(hosts: Iterable[str], now: dt.datetime) -> Missing:
    """Return how to make an authority and a server certificate, or to renew what is about to end."""
    names = tuple(hosts)

    def missing(kept: Mapping[str, str]) -> dict[str, str]:
        made: dict[str, str] = {}
        authority = _certificate(kept.get("ca.crt"))
        if authority is None or not certificates.lasts(authority, now) or not kept.get("ca.key"):
            key = certificates.new_key()
            authority = certificates.authority(key, now)
            made |= {"ca.crt": certificates.pem(authority), "ca.key": certificates.pem_key(key)}
        server = _certificate(kept.get("tls.crt"))
        good = server is not None and certificates.lasts(server, now) and certificates.covers(server, names)
        if made or not good or not kept.get("tls.key"):
            signer = certificates.load_key((made.get("ca.key") or kept["ca.key"]).encode())
            key = certificates.new_key()
            signed = certificates.server(key, authority, signer, names, now)
            made |= {"tls.crt": certificates.pem(signed), "tls.key": certificates.pem_key(key)}
        return made

    return missing


def _certificate(text: str | None) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text.encode()) if text else None
    except ValueError:
        return None


def ensure(secrets: api.Secrets, name: str, missing: Missing) -> list[str]:
    """Complete one Secret; return the keys that were added. Two of us at once agree on every value."""
    for _ in range(_TRIES):
        kept = secrets.read(name)
        lacking = missing(kept.values if kept else {})
        if not lacking:
            return []
        try:
            if kept is None:
                secrets.create(name, lacking, _LABELS)
            else:
                secrets.add(name, lacking, kept.version)
        except api.ConflictError:
            continue
        return sorted(lacking)
    raise StartError(f"The Secret {name} was changed by somebody else {_TRIES} times.", remedy="run the Job again")


def wanted(given: Path = layout.GIVEN) -> Wanted:
    """Read what the chart asks for."""
    raw: dict[str, Any] = json.loads((given / FILE).read_text(encoding="utf-8"))
    return Wanted(secret=raw["secret"], names=tuple(raw["names"]), tls=raw["tls"], hosts=tuple(raw["hosts"]))


def main() -> int:
    """Complete both Secrets, as far as they are ours."""
    try:
        asked, secrets = wanted(), api.of_this_pod()
        work = {
            asked.secret: missing_secrets(asked.names),
            asked.tls: missing_certificate(asked.hosts, dt.datetime.now(dt.UTC)),
        }
        for name, missing in work.items():
            if name:
                added = ensure(secrets, name, missing)
                sys.stdout.write(f"{name}: {f'added {len(added)} keys' if added else 'complete'}\n")
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    except httpx.HTTPError as problem:
        sys.stderr.write(f"Kubernetes did not answer: {problem}\n")
        return StartError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
