"""What of the store and of the checkout goes into a layer, and where."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lakehold.cluster import layout
from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry
from lakehold.pipelines.snapshot import files_of
from lakehold.release import envs, manifest
from lakehold.release.store import Store

PACKAGE = ("platform/src",)
"""The part of the checkout that every image has."""
_FILES = ("LICENSE", "NOTICE", "platform/pins.toml")
_VENV_ONLY = frozenset(
    {
        *("python", "python3", f"python{layout.PYTHON_VERSION}"),
        *("activate", "activate_this.py", "deactivate.bat", "pydoc.bat"),
        *(f"activate.{shell}" for shell in ("bat", "csh", "fish", "nu", "ps1", "xsh")),
    }
)
"""What uv puts beside the packages' scripts."""
INSTALLERS = frozenset({"uv"})
"""Packages of environments that install others: `lakehold pins fetch` does on one machine; nothing does in an image."""
_INSTALLERS = re.compile(
    rf"bin/({'|'.join(INSTALLERS)})x?$|lib/python[0-9.]+/site-packages/({'|'.join(INSTALLERS)})(-[^/]+\.dist-info)?/"
)
_RECORD, _WHEEL = ".dist-info/RECORD", ".dist-info/WHEEL"
_BUILT = ".dist-info/uv_build.json"
"""Marks a package that uv built from its source: with the tools of that day, which say their version in ``WHEEL``."""


def artifact(store: Store, name: str) -> Iterator[Entry]:
    """An artifact as it is in the store, each file with the sum its pin stands for."""
    pin = store.pins.artifact(name)
    where = store.artifact(name)
    folder = where.parent if pin.single else where
    target = layout.STORE / pin.name
    record = store.layout.manifest(pin)
    lines = record.read_text(encoding="utf-8") if record.is_file() else manifest.describe(folder)
    if manifest.total(lines) != pin.tree:
        raise ArtifactError(f"{name} in the store is not as pinned.", remedy=f"lakehold pins fetch --again {name}")
    for entry in _listed(lines, folder, target):
        # A single file has the pin's name in place of its own.
        yield replace(entry, path=_inside(target)) if pin.single else entry


def env_key(store: Store, name: str) -> str:
    """A sum that changes when the lock of an environment does, or what was installed for it."""
    folder = store.python(name).parent.parent
    record = json.loads((folder / envs.RECORD).read_text(encoding="utf-8"))
    return hashlib.sha256(f"{record['lock']} {_portable(folder)}".encode()).hexdigest()


def env(store: Store, name: str) -> Iterator[Entry]:
    """An environment of the store as if it had been made in the image, with the image's Python.

    Its scripts name their interpreter by path, so they are written anew, and with them the sums in their packages'
    records. What belongs to this machine (its Python, shells' activation scripts, bytecode) is left out, and what
    installs packages.
    """
    folder = store.python(name).parent.parent
    target = layout.python(name).parents[1]
    listed = _listed((folder / envs.MANIFEST).read_text(encoding="utf-8"), folder, target)
    entries = [entry for entry in listed if not _left_out(entry.path.removeprefix(f"{_inside(target)}/"))]
    built = {_dist(entry) for entry in entries if entry.path.endswith(_BUILT)}
    changed: dict[str, Entry] = {}
    records: list[Entry] = []
    for entry in entries:
        content = None
        if entry.path.startswith(f"{_inside(target)}/bin/") and entry.kind == "file":
            content = _verified(entry).replace(str(folder).encode(), str(target).encode())
        elif entry.path.endswith(_WHEEL) and _dist(entry) in built:
            content = re.sub(rb"^Generator: .*\n", b"", _verified(entry), flags=re.MULTILINE)
        if content is not None:
            changed[entry.path] = replace(entry, content=content, sha256=_hex(content))
        elif entry.path.endswith(_RECORD):
            records.append(entry)
        else:
            yield entry
    yield from changed.values()
    yield from (_record(entry, changed) for entry in records)
    yield from _interpreter(target)


def checkout(root: Path, rooms: Sequence[str]) -> Iterator[Entry]:
    """The checkout's files in these folders; with the package come the few files beside it that belong to it."""
    beside = [root / name for name in _FILES] if rooms == PACKAGE else []
    for path in [*files_of(root, rooms), *beside]:
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        inside = layout.CHECKOUT / path.relative_to(root)
        if path.name != ".user.yml":
            yield Entry(path=_inside(inside), content=path, mode=mode, sha256=manifest.sha256(path))


def checkout_key(root: Path, rooms: Sequence[str]) -> str:
    """A sum over these files."""
    lines = [f"{entry.mode} {entry.sha256} {entry.path}" for entry in checkout(root, rooms)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _portable(folder: Path) -> str:
    """The part of an environment's manifest that is the same wherever the store is: packages, not scripts."""
    lines = (folder / envs.MANIFEST).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.split(" ", 3)[3].startswith("lib/") and not line.endswith((_RECORD, _WHEEL))]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _listed(lines: str, folder: Path, target: Path) -> Iterator[Entry]:
    """Entries of a manifest's lines."""
    for line in lines.splitlines():
        mode, sha256, _size, path = line.split(" ", 3)
        inside = _inside(target / path)
        if mode != "l":
            yield Entry(path=inside, content=folder / path, mode=0o755 if mode == "x" else 0o644, sha256=sha256)
            continue
        to = str((folder / path).readlink())
        if _hex(to.encode()) != sha256:
            raise ArtifactError(f"{folder / path} in the store is not as it was.", remedy="lakehold pins verify")
        yield Entry(path=inside, kind="link", target=to)


def _left_out(path: str) -> bool:
    """Whether a file of an environment belongs to this machine alone, or to what installs packages."""
    if "/" not in path:
        # The only folders of an environment that matter are bin, lib and share; lib64 is a link that we make anew.
        return True
    top, name = path.split("/", 1)
    return top == "include" or _INSTALLERS.match(path) is not None or (top == "bin" and name in _VENV_ONLY)


def _dist(entry: Entry) -> str:
    """The folder in which a package describes itself."""
    return entry.path.rpartition("/")[0]


def _record(entry: Entry, changed: dict[str, Entry]) -> Entry:
    """A package's list of its files, with the sums of what was written anew."""
    site = PurePosixPath("/", entry.path).parent.parent
    rows = []
    for name, expected, size in csv.reader(io.StringIO(_verified(entry).decode(), newline="")):
        script = changed.get(_normal(site / name))
        if script is not None and isinstance(script.content, bytes):
            rows.append([name, f"sha256={_encoded(script.content)}", str(len(script.content))])
        elif not name.endswith(".pyc"):
            rows.append([name, expected, size])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    return Entry(path=entry.path, content=content, mode=entry.mode, sha256=_hex(content))


def _interpreter(target: Path) -> Iterator[Entry]:
    """What makes a folder an environment of the image's Python."""
    text = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {layout.PYTHON_VERSION}\n"
    yield Entry(path=_inside(target / "pyvenv.cfg"), content=text.encode())
    yield Entry(path=_inside(target / "lib64"), kind="link", target="lib")
    yield Entry(path=_inside(target / "bin" / "python"), kind="link", target=f"/usr/bin/python{layout.PYTHON_VERSION}")
    for name in ("python3", f"python{layout.PYTHON_VERSION}"):
        yield Entry(path=_inside(target / "bin" / name), kind="link", target="python")


def _verified(entry: Entry) -> bytes:
    """A file's bytes, which are what its entry says."""
    content = entry.read()
    if _hex(content) != entry.sha256:
        raise ArtifactError(f"{entry.content!r} in the store is not as it was.", remedy="lakehold pins verify")
    return content


def _inside(path: Path) -> str:
    return path.as_posix().lstrip("/")


def _normal(path: PurePosixPath) -> str:
    """A path without ``..``, relative to the root."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
