"""The node's own images: one program each (and Debian's busybox, for the scripts that make volumes)."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry, write
from node import programs
from node.layout import Node

_EPOCH = 1_700_000_000
_TAG = "1"


def ensure(node: Node) -> list[Path]:
    """Return the archives of the images that every cluster needs; those that are there stay."""
    made = [ensure_one(node, name) for name in ("pause", "coredns", "local-path-provisioner")]
    return [*made, _archive(node, "busybox", _busybox(), {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]})]


def reference(name: str) -> str:
    """The name the node knows an image by."""
    return f"localhost/node/{name}:{_TAG}"


def ensure_one(node: Node, name: str) -> Path:
    """Return the archive of an image that is one program."""
    built = programs.ensure(node, name)
    entries = [Entry(path=name, mode=0o755, content=built), Entry(path="tmp", kind="folder", mode=0o777)]
    return _archive(node, name, entries, {"Entrypoint": [f"/{name}"]})


def _busybox() -> list[Entry]:
    found = shutil.which("busybox")
    if found is None:
        raise ArtifactError("There is no busybox on the PATH.", remedy="apt-get install busybox-static")
    listed = subprocess.run([found, "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = [Entry(path=f"bin/{name}", kind="link", target="busybox") for name in listed if name != "busybox"]
    folder = Entry(path="tmp", kind="folder", mode=0o777)
    return [Entry(path="bin/busybox", mode=0o755, content=Path(found)), folder, *links]


def _archive(node: Node, name: str, entries: list[Entry], runs: dict[str, Any]) -> Path:
    """Write a docker-archive of one layer, named after its content."""
    node.images.mkdir(parents=True, exist_ok=True)
    layer = io.BytesIO()
    written = write(entries, layer, _EPOCH)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": runs,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{written.sha256}"]},
        },
        sort_keys=True,
    ).encode()
    total = hashlib.sha256(config).hexdigest()
    archive = node.images / f"{name}-{total[:12]}.tar"
    if not archive.is_file():
        manifest = [{"Config": f"{total}.json", "RepoTags": [reference(name)], "Layers": ["layer.tar"]}]
        parts = {"manifest.json": json.dumps(manifest).encode(), f"{total}.json": config, "layer.tar": layer.getvalue()}
        with archive.with_suffix(".part").open("wb") as out:
            write([Entry(path=path, content=content) for path, content in parts.items()], out, _EPOCH)
        archive.with_suffix(".part").rename(archive)
    return archive
