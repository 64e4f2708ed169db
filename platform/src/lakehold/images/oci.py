"""An image as the OCI specification has it: configuration, manifest, and one archive that every runtime can load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehold.cluster import layout
from lakehold.images.layer import Entry, Out, Written, write
from lakehold.images.system import CERTIFICATES

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
"""Not compressed: a digest must not depend on the version of a compressor. Registries' tools compress on the way."""
_LABEL = "org.opencontainers.image"
_SHORT = 12
"""Digits of a digest that are enough to tell a version's images apart."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer that is written; ``name`` says what is in it."""

    name: str
    sha256: str
    size: int
    blob: Path


@dataclass(frozen=True, kw_only=True)
class Description:
    """What an image says of itself."""

    name: str
    summary: str
    version: str
    licences: str
    created: datetime
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def tags(self, digest: str) -> tuple[str, str]:
        """The version, and one that no other image has."""
        return self.version, f"{self.version}-{digest.removeprefix('sha256:')[:_SHORT]}"

    def references(self, digest: str) -> tuple[str, ...]:
        """The names a runtime knows it by once it is loaded."""
        return tuple(f"localhost/lakehold/{self.name}:{tag}" for tag in self.tags(digest))


def config(description: Description, layers: Sequence[Layer]) -> bytes:
    """The configuration: who runs it, with which environment, and what it is."""
    created = _time(description.created)
    labels = {
        f"{_LABEL}.title": f"lakehold-{description.name}",
        f"{_LABEL}.description": description.summary,
        f"{_LABEL}.version": description.version,
        f"{_LABEL}.licenses": description.licences,
        f"{_LABEL}.vendor": "Lakehold",
        f"{_LABEL}.created": created,
    }
    inner: dict[str, Any] = {
        "User": f"{layout.USER}:{layout.USER}",
        "Env": [f"{key}={value}" for key, value in sorted(environment(description.variables).items())],
        "WorkingDir": str(layout.STATE),
        "Labels": labels,
    }
    if description.entrypoint:
        inner["Entrypoint"] = list(description.entrypoint)
    if description.command:
        inner["Cmd"] = list(description.command)
    return _json(
        {
            "created": created,
            "architecture": "amd64",
            "os": "linux",
            "config": inner,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
            "history": [{"created": created, "created_by": layer.name} for layer in layers],
        }
    )


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What every container's environment has from its image."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(layout.STATE),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(layout.CHECKOUT / "platform" / "src"),
        "SSL_CERT_FILE": f"/{CERTIFICATES}",
        # Bytecode is in the image; nothing can be written beside it.
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def manifest(configuration: bytes, layers: Sequence[Layer], description: Description) -> bytes:
    """The manifest, whose digest is the image's."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, configuration),
            "layers": [
                {"mediaType": _LAYER, "digest": f"sha256:{layer.sha256}", "size": layer.size} for layer in layers
            ],
            "annotations": {
                f"{_LABEL}.title": f"lakehold-{description.name}",
                f"{_LABEL}.version": description.version,
                f"{_LABEL}.licenses": description.licences,
            },
        }
    )


def digest(content: bytes) -> str:
    """``sha256:…`` of a document."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def archive(description: Description, layers: Sequence[Layer], out: Out) -> Written:
    """Write one tar that is an OCI layout and a docker-archive at once."""
    configuration = config(description, layers)
    document = manifest(configuration, layers, description)
    of = digest(document)
    names = [
        {"io.containerd.image.name": reference, f"{_LABEL}.ref.name": tag}
        for tag, reference in zip(description.tags(of), description.references(of), strict=True)
    ]
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [{**_descriptor(_MANIFEST, document), "annotations": one} for one in names],
    }
    docker = [
        {
            "Config": _blob(digest(configuration)),
            "RepoTags": list(description.references(of)),
            "Layers": [_blob(f"sha256:{layer.sha256}") for layer in layers],
        }
    ]
    blobs = {_blob(digest(content)): content for content in (configuration, document)}
    entries = [
        Entry(path="oci-layout", content=_json({"imageLayoutVersion": "1.0.0"})),
        Entry(path="index.json", content=_json(index)),
        Entry(path="manifest.json", content=_json(docker)),
        *(Entry(path=path, content=content) for path, content in blobs.items()),
        *(Entry(path=_blob(f"sha256:{one.sha256}"), content=one.blob, sha256=one.sha256) for one in layers),
    ]
    return write(entries, out, int(description.created.timestamp()))


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def _blob(of: str) -> str:
    return f"blobs/{of.replace(':', '/')}"


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
