"""What an image is made of, as CycloneDX 1.6: from the pins, the locks and the Debian lock (pure)."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from lakehold.cluster import layout
from lakehold.images.debian import Package
from lakehold.release.pins import GoPin, JarsPin, MavenPin, Pin

GENERIC = "pkg:generic/"
"""Begins the name of what is known by its file only."""
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)\s*(;(?P<marker>[^\\]+))?\\?$")
_TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{layout.PYTHON_VERSION}.2",
    "python_version": layout.PYTHON_VERSION,
    "sys_platform": "linux",
}
"""The machine and Python of every image, in the words of environment markers."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """A licence as whoever gives it names it: an SPDX expression, or names of their own; nothing if they are silent."""

    expression: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For people."""
        return self.expression or ", ".join(self.names) or "not stated"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing an image contains; ``purl`` is its name everywhere."""

    name: str
    version: str
    purl: str
    licence: Licence
    sha256: str = ""


def of_pin(pin: Pin) -> list[Part]:
    """The parts of an artifact: itself, or each of its jars."""
    if isinstance(pin, JarsPin):
        return [
            Part(
                name=file.artifact,
                version=file.version,
                purl=maven(file.group, file.artifact, file.version, file.classifier, file.packaging),
                licence=Licence(expression=pin.license),
                sha256=jar.sha256,
            )
            for file, jar in pin.files.items()
        ]
    if isinstance(pin, MavenPin):
        file = pin.file
        purl = maven(file.group, file.artifact, file.version, file.classifier, file.packaging)
    elif isinstance(pin, GoPin):
        purl = f"pkg:golang/{pin.module}@{pin.version}"
    else:
        purl = f"pkg:pypi/{canonicalize_name(pin.project)}@{pin.version}"
    licence = Licence(expression=pin.license)
    return [Part(name=pin.name, version=pin.version, purl=purl, licence=licence, sha256=pin.sha256)]


def maven(group: str, artifact: str, version: str, classifier: str, packaging: str) -> str:
    """The name of a file of a Maven repository."""
    qualifiers = f"classifier={classifier}&type={packaging}" if classifier else f"type={packaging}"
    return f"pkg:maven/{group}/{artifact}@{version}?{qualifiers}"


def locked(lock: str) -> dict[str, str]:
    """Name → version of what a lock installs on the images' machine and Python."""
    found: dict[str, str] = {}
    for line in lock.splitlines():
        match = _REQUIREMENT.match(line.strip()) if line[:1].isalnum() else None
        if match and (not match["marker"] or Marker(match["marker"].strip()).evaluate(dict(_TARGET))):
            found[canonicalize_name(match["name"])] = match["version"]
    return found


def of_lock(lock: str, licences: Mapping[str, Licence]) -> list[Part]:
    """The Python packages of a lock; ``licences`` by canonical name."""
    return [
        Part(name=name, version=version, purl=f"pkg:pypi/{name}@{version}", licence=licences.get(name, Licence()))
        for name, version in locked(lock).items()
    ]


def of_debian(package: Package, copyright_: str) -> Part:
    """A Debian package, with the short names of licences in its copyright file, if a program can read that."""
    names = tuple(sorted(set(re.findall(r"^License: *(\S.*?)\s*$", copyright_, re.MULTILINE))))
    version = quote(package.version, safe="")
    purl = f"pkg:deb/debian/{package.name}@{version}?arch={package.architecture}&distro=debian-12"
    licence = Licence(names=names)
    return Part(name=package.name, version=package.version, purl=purl, licence=licence, sha256=package.sha256)


def python_licence(metadata: str) -> Licence:
    """What a Python package's METADATA says: the expression, else what its classifiers or its field name."""
    head = metadata.split("\n\n", 1)[0]
    if stated := re.search(r"^License-Expression: (.+)$", head, re.MULTILINE):
        return Licence(expression=stated[1].strip())
    classified = re.findall(r"^Classifier: License :: (?:OSI Approved :: )?(.+)$", head, re.MULTILINE)
    if names := tuple(name.strip() for name in classified if name.strip() != "OSI Approved"):
        return Licence(names=names)
    # The field may hold the whole text; a name is short.
    field = re.search(r"^License: (\S.{0,79})$", head, re.MULTILINE)
    return Licence(names=(field[1].strip(),) if field else ())


def expression(pins: Iterable[Pin], own: str) -> str:
    """One SPDX expression for an image's label: our licence and those of its artifacts."""
    found = sorted({own, *(pin.license for pin in pins)})
    return " AND ".join(f"({one})" if " OR " in one else one for one in found)


def document(*, name: str, version: str, created: datetime, parts: Sequence[Part]) -> bytes:
    """The CycloneDX document, the same bytes for the same parts."""
    components = [_component(part) for part in _unique(parts)]
    body = json.dumps(components, sort_keys=True).encode()
    serial = uuid.uuid5(uuid.NAMESPACE_OID, f"lakehold {name} {version} {hashlib.sha256(body).hexdigest()}")
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "container",
                "bom-ref": f"lakehold-{name}",
                "name": f"lakehold-{name}",
                "version": version,
            },
        },
        "components": components,
    }
    return json.dumps(whole, indent=1).encode() + b"\n"


def licence_list(parts: Sequence[Part]) -> bytes:
    """The same for people: a line a part."""
    return "".join(f"{part.name} {part.version}: {part.licence}\n" for part in _unique(parts)).encode()


def _unique(parts: Sequence[Part]) -> list[Part]:
    """A part a name; of two that differ, the one that says more. A file that has a name needs no second one."""
    found: dict[str, Part] = {}
    named = {part.sha256 for part in parts if not part.purl.startswith(GENERIC)}
    for part in parts:
        if part.purl.startswith(GENERIC) and part.sha256 in named:
            continue
        known = found.get(part.purl)
        if known is None or _said(part) > _said(known):
            found[part.purl] = part
    return [part for _purl, part in sorted(found.items())]


def _said(part: Part) -> tuple[bool, bool, str]:
    return part.licence != Licence(), bool(part.sha256), part.sha256


def _component(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.licence.expression:
        found["licenses"] = [{"expression": part.licence.expression}]
    elif part.licence.names:
        found["licenses"] = [{"license": {"name": name}} for name in part.licence.names]
    if part.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    return found
