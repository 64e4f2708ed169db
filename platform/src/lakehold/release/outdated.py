"""What is behind: the newest version of every pin, asked of its registry by the registry's own client."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uv
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lakehold.errors import ArtifactError
from lakehold.release import envs, golang
from lakehold.release.origins import Mirrors, maven_context, pypi_client
from lakehold.release.pins import GoPin, JarsPin, MavenFile, MavenPin, Pin
from lakehold.release.store import Store


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One pin beside its registry; ``newest`` is empty when the registry has none of the line."""

    name: str
    pinned: str
    newest: str
    where: str
    reason: str = ""

    @property
    def behind(self) -> bool:
        """Whether there is something newer."""
        return bool(self.newest) and _version(self.newest) > _version(self.pinned)


def outdated(store: Store) -> list[Standing]:
    """All pins, and the packages that the environments' ``.in`` files pin; :class:`ArtifactError` when offline."""
    asks: list[Callable[[], list[Standing]]] = [partial(_artifact, pin, store) for pin in store.pins.artifacts.values()]
    asks += [partial(_packages, store, env) for env in store.pins.envs]
    try:
        with ThreadPoolExecutor(max_workers=6) as pool:
            return [standing for answer in pool.map(lambda ask: ask(), asks) for standing in answer]
    except (OSError, RuntimeError) as error:
        raise ArtifactError(
            "The registries cannot be asked for newer versions.",
            why=str(error),
            remedy="check the network and the proxy; nothing else of Lakehold needs them once the store is complete",
        ) from error


def newest(versions: Iterable[str], line: str) -> str:
    """The newest final version that begins with ``line``; empty when there is none."""
    final = [version for version in versions if version.startswith(line) and not _early(version)]
    return max(final, key=_version, default="")


def direct(requirements: str) -> dict[str, str]:
    """Package → version of what a ``.in`` file pins exactly."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;#]+)", requirements, flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def _artifact(pin: Pin, store: Store) -> list[Standing]:
    if isinstance(pin, MavenPin):
        versions = _maven(pin.file)
    elif isinstance(pin, JarsPin):
        versions = _maven(next(iter(pin.files)))
    elif isinstance(pin, GoPin):
        versions = _go(pin, store)
    else:
        with pypi_client(Mirrors.read()) as client:
            versions = [found.version or "" for found in client.get_project_page(pin.project, timeout=30).packages]
    latest = newest(versions, pin.line)
    return [Standing(name=pin.name, pinned=pin.version, newest=latest, where="pins.toml", reason=pin.reason)]


def _maven(file: MavenFile) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        project = maven_context(Mirrors.read(), Path(folder)).project(file.group, file.artifact)
        project.update()
        return [str(version) for version in project.metadata.versions]


def _go(pin: GoPin, store: Store) -> list[str]:
    go = store.artifact("go")
    with tempfile.TemporaryDirectory() as folder:
        try:
            finished = subprocess.run(
                [str(go / "bin" / "go"), "list", "-m", "-versions", "-f", '{{join .Versions " "}}', pin.module],
                env=golang.build_environment(go, Path(folder), os.environ),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            golang.unlock(Path(folder))
    if finished.returncode:
        raise OSError(finished.stderr.strip())
    return finished.stdout.split()


def _packages(store: Store, env: str) -> list[Standing]:
    python = store.python(env)
    finished = subprocess.run(
        [str(uv.find_uv_bin()), "pip", "list", "--outdated", "--quiet", "--format", "json", "--python", str(python)],
        env=envs.environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise OSError(finished.stderr.strip())
    later = {canonicalize_name(row["name"]): row["latest_version"] for row in json.loads(finished.stdout)}
    wanted = direct(store.env_lock(env).with_suffix(".in").read_text(encoding="utf-8"))
    return [
        Standing(name=name, pinned=version, newest=later.get(canonicalize_name(name), version), where=f"locks/{env}.in")
        for name, version in wanted.items()
    ]


def _early(version: str) -> bool:
    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        return True


def _version(version: str) -> Version:
    return Version(version)
