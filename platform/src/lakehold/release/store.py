"""The store: every pinned artifact and Python environment of this machine, once, shared between checkouts.

    <root>/downloads/<sum>-<file>[.part]     only while a fetch is under way
    <root>/artifacts/<key>-<pin>/            the unpacked tree; <key>-<pin>.manifest beside it says what is in it
    <root>/envs/<name>-<lock>-py3.x/         a Python environment
    <root>/locks/                            one lock file a name

A tree appears by one rename, after its sum was compared with the pin and its bytes were written out: what has
a name is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehold.errors import ArtifactError
from lakehold.release import envs, manifest
from lakehold.release.pins import LOCKS, Pin, Pins
from lakehold.release.pinsfile import load_pins
from lakehold.release.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are below the store's root."""

    root: Path

    def artifact(self, pin: Pin) -> Path:
        """The folder of an unpacked artifact; another content or another way of unpacking gives another folder."""
        recipe = json.dumps([pin.sha256, pin.tree, pin.unpack.model_dump(mode="json")], sort_keys=True)
        key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        return self.root / "artifacts" / f"{key}-{pin.name}"

    def manifest(self, pin: Pin) -> Path:
        """The list of what is in an unpacked artifact."""
        folder = self.artifact(pin)
        return folder.with_name(f"{folder.name}.manifest")

    def download(self, pin: Pin) -> Path:
        """Where an artifact's download waits for being unpacked."""
        return self.root / "downloads" / f"{pin.sha256[:16]}-{pin.filename}"

    def env(self, name: str, lock: bytes) -> Path:
        """The folder of a Python environment."""
        return self.root / "envs" / envs.folder_name(name, lock)

    def lock(self, name: str) -> Path:
        """The lock file of an artifact or environment."""
        return self.root / "locks" / f"{name}.lock"


class Store:
    """Access to the store by name. Nothing but :meth:`ensure` and :meth:`remove` changes it."""

    def __init__(self, root: Path, pins: Pins, locks: Path = LOCKS) -> None:
        self.layout = Layout(root=root)
        self.pins = pins
        self.locks = locks

    @classmethod
    def default(cls, environ: Mapping[str, str] = os.environ) -> Store:
        """The store of this user with the checkout's pins."""
        return cls(default_root(environ), load_pins())

    def artifact(self, name: str) -> Path:
        """The unpacked folder of a pin, or its file if it is a single one; :class:`ArtifactError` when missing."""
        pin = self.pins.artifact(name)
        folder = self.layout.artifact(pin)
        if not folder.is_dir():
            raise ArtifactError(
                f"{name} {pin.version} is not in the store ({self.layout.root}).", remedy=f"lakehold pins fetch {name}"
            )
        return folder / pin.filename if pin.single else folder

    def python(self, env: str) -> Path:
        """The interpreter of a Python environment; :class:`ArtifactError` when it is not built."""
        found = envs.python_of(self.env_folder(env))
        if found is None:
            raise ArtifactError(
                f"The Python environment {env!r} is not in the store ({self.layout.root}).",
                remedy=f"lakehold pins fetch {env}",
            )
        return found

    def env_lock(self, env: str) -> Path:
        """The lock an environment is built from."""
        return self.locks / f"{self.pins.env(env).name}.txt"

    def env_folder(self, env: str) -> Path:
        """Where an environment is, or will be."""
        lock = self.env_lock(env)
        if not lock.is_file():
            raise ArtifactError(f"{lock} is missing.", remedy=f"git checkout -- platform/locks/{lock.name}")
        return self.layout.env(env, lock.read_bytes())

    def missing(self, pins: Iterable[str], environments: Iterable[str]) -> tuple[list[str], list[str]]:
        """Those of the given pins and environments that are not there, with the toolchain a missing program needs."""
        lacking = [name for name in pins if not self.layout.artifact(self.pins.artifact(name)).is_dir()]
        if any(self.pins.artifact(name).kind == "go" for name in lacking) and "go" not in lacking:
            toolchain = self.pins.artifact("go")
            if not self.layout.artifact(toolchain).is_dir():
                lacking.insert(0, "go")
        return lacking, [env for env in environments if envs.python_of(self.env_folder(env)) is None]

    def ensure(
        self, pins: Iterable[str], environments: Iterable[str], progress: Progress | None = None, *, cached: bool = True
    ) -> None:
        """Fetch what is missing of the given pins and environments, in parallel; raises :class:`ArtifactError`.

        What is there is checked for changes. ``cached=False`` installs Python packages past uv's cache.
        """
        pins, environments = list(pins), list(environments)
        lacking, unbuilt = self.missing(pins, environments)
        self.check(name for name in pins if name not in lacking)
        if lacking or unbuilt:
            # Registry clients are slow to import, and needed only when something is missing.
            from lakehold.release.fetch import fetch

            fetch(self, lacking, unbuilt, progress, cached=cached)

    def verify(self, name: str) -> list[str]:
        """Sentences on every file of an artifact or environment that is not as pinned; empty when all is well."""
        if name in self.pins.envs:
            return envs.verify(self.python(name).parent.parent)
        pin = self.pins.artifact(name)
        folder = self.artifact(name) if not pin.single else self.artifact(name).parent
        found = manifest.describe(folder)
        if manifest.total(found) == pin.tree:
            return []
        record = self.layout.manifest(pin)
        if not record.is_file() or manifest.total(record.read_text(encoding="utf-8")) != pin.tree:
            return [f"its files add up to {manifest.total(found)}, pinned is {pin.tree}; its manifest is wrong as well"]
        return manifest.differences(record.read_text(encoding="utf-8"), found)

    def check(self, names: Iterable[str]) -> None:
        """Raise :class:`ArtifactError` when an artifact was changed; files not touched since unpacking are not read."""
        altered = {name: words for name in names if (words := self._altered(name))}
        if altered:
            name, words = next(iter(altered.items()))
            raise ArtifactError(
                f"{' and '.join(altered)} in the store {'is' if len(altered) == 1 else 'are'} not as pinned.",
                why=f"{name}: {words[0]}" + (f", and {len(words) - 1} more" if len(words) > 1 else ""),
                remedy=f"lakehold pins fetch --again {' '.join(altered)}",
            )

    def _altered(self, name: str) -> list[str]:
        pin = self.pins.artifact(name)
        folder, record = self.layout.artifact(pin), self.layout.manifest(pin)
        if record.is_file():
            lines = record.read_text(encoding="utf-8")
            whole = manifest.total(lines) == pin.tree
            if whole and not manifest.touched(folder, lines, record.stat().st_mtime_ns):
                return []
        words = self.verify(name)
        if not words and record.is_file() and os.access(record, os.W_OK):
            # Copied, or given other owners: what was read now need not be read the next time.
            record.touch()
        return words

    def remove(self, name: str) -> None:
        """Take a pin or an environment out of the store, with what is left of its download."""
        if name in self.pins.envs:
            _discard(self.env_folder(name), self.layout.root)
            return
        pin = self.pins.artifact(name)
        _discard(self.layout.artifact(pin), self.layout.root)
        self.layout.manifest(pin).unlink(missing_ok=True)
        download = self.layout.download(pin)
        if download.is_dir():
            shutil.rmtree(download)
        for path in (download, download.with_name(f"{download.name}.part")):
            path.unlink(missing_ok=True)


def default_root(environ: Mapping[str, str] = os.environ, uid: int | None = None) -> Path:
    """``$LAKEHOLD_STORE``, or the user's cache folder.

    For root it is ``/var/cache/lakehold``: PostgreSQL refuses to run as root, and the account it then runs as
    cannot read below root's home.
    """
    named = environ.get("LAKEHOLD_STORE")
    if named:
        return Path(named).expanduser().absolute()
    if (os.getuid() if uid is None else uid) == 0:
        return Path("/var/cache/lakehold")
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "lakehold"


def _discard(folder: Path, root: Path) -> None:
    """Remove a folder that others may look at: it loses its name first."""
    if not folder.exists():
        return
    grave = Path(tempfile.mkdtemp(prefix=".gone-", dir=root))
    folder.rename(grave / folder.name)
    shutil.rmtree(grave)
