"""An image's archive, read as a runtime reads it, and its programs run as a cluster runs them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

USER = 10001
_HOST = "pod"
_NAMESPACES = ("pid", "mount", "ipc", "uts", "network")


class Archive:
    """``<image>.tar`` as `make images` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _image(self) -> dict[str, Any]:
        with tarfile.open(self.path) as tar:
            (found,) = json.load(_file(tar, "manifest.json"))
        image: dict[str, Any] = found
        return image

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the image says a container has."""
        with tarfile.open(self.path) as tar:
            inner: dict[str, Any] = json.load(_file(tar, self._image["Config"]))["config"]
        return inner

    def layers(self) -> Iterator[tarfile.TarFile]:
        """Each layer, from the lowest."""
        with tarfile.open(self.path) as tar:
            for layer in self._image["Layers"]:
                with tarfile.open(fileobj=_file(tar, layer)) as inner:
                    yield inner

    def members(self) -> list[tarfile.TarInfo]:
        """Everything in it."""
        return [member for layer in self.layers() for member in layer]

    def unpack(self, folder: Path) -> Container:
        """Its files in a folder, ready to be run."""
        root = folder / "rootfs"
        for layer in self.layers():
            # Our own archive, with links and owners as they are.
            layer.extractall(root, numeric_owner=True, filter="fully_trusted")  # noqa: S202 - see above
        return Container(folder, self.config)


class Container:
    """An unpacked image that runs its programs as the chart does: read-only, no rights, two places to write to."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        self._config = config

    def run(self, *command: str, seconds: float = 600) -> str:
        """What a command says; :class:`AssertionError` when it fails. Without one: the image's own."""
        own = [*self._config.get("Entrypoint", []), *self._config.get("Cmd", [])]
        hosts = self._folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {_HOST}\n")
        spec = _spec(list(command) or own, self._config, hosts)
        (self._folder / "config.json").write_text(json.dumps(spec))
        name = f"image-test-{self._folder.name}"
        runc = ["runc", "--root", str(self._folder / "state"), "run", "--bundle", str(self._folder), name]
        done = subprocess.run(runc, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, f"{spec['process']['args']}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return done.stdout + done.stderr


def _spec(command: list[str], config: dict[str, Any], hosts: Path) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": USER, "gid": USER},
            "args": command,
            "env": config["Env"],
            "cwd": config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": _HOST,
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            # A pod knows its own name.
            {"destination": "/etc/hosts", "type": "bind", "source": str(hosts), "options": ["bind", "ro"]},
            _volume("/tmp"),  # noqa: S108 - the image's, not ours
            _volume("/var/lib/lakehold"),
        ],
        "linux": {"namespaces": [{"type": name} for name in _NAMESPACES]},
    }


def _volume(where: str) -> dict[str, Any]:
    options = ["nosuid", "nodev", "mode=770", f"uid={USER}", f"gid={USER}"]
    return {"destination": where, "type": "tmpfs", "source": "tmpfs", "options": options}


def _file(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    assert found is not None, name
    return found
