"""Where a pin's file comes from: the registries, by their own clients.

No address of a registry is written here: ``jgo`` and ``pypi-simple`` know theirs. A site with mirrors names them in
``LAKEHOLD_MAVEN_REPOSITORY``, in ``UV_DEFAULT_INDEX`` or ``PIP_INDEX_URL``, and in ``GOPROXY``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jgo.maven import MavenContext
from jgo.util import http
from pypi_simple import DistributionPackage, NoSuchProjectError, PyPISimple

from lakehold.errors import ArtifactError
from lakehold.release.download import Get, Response
from lakehold.release.pins import MavenFile, PypiPin

_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces."""


@dataclass(frozen=True)
class Mirrors:
    """Registries in place of the clients' defaults; empty strings mean the default."""

    maven: str = ""
    pypi: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Mirrors:
        """From the environment."""
        pypi = environ.get("UV_DEFAULT_INDEX") or environ.get("PIP_INDEX_URL") or ""
        return cls(maven=environ.get("LAKEHOLD_MAVEN_REPOSITORY", ""), pypi=pypi)


def locate_maven(file: MavenFile, mirrors: Mirrors) -> tuple[str, Get]:
    """The address of a file in a Maven repository, and jgo's own way to get it."""
    with tempfile.TemporaryDirectory() as folder:
        context = maven_context(mirrors, Path(folder))
        component = context.project(file.group, file.artifact).at_version(file.version)
        found = component.artifact(file.classifier, file.packaging)
        repository = next(iter(context.remote_repos.values()))
        return f"{repository}/{component.path_prefix.as_posix()}/{found.filename}", _maven_get


def locate_pypi(pin: PypiPin, mirrors: Mirrors) -> tuple[str, Get]:
    """The address of a package's file, and the client's own way to get it; :class:`ArtifactError` when it is gone."""
    client = pypi_client(mirrors)
    package = _package(pin, client)

    def get(address: str, headers: Mapping[str, str]) -> Response:
        response: Response = client.s.get(address, headers=dict(headers), stream=True, timeout=_TIMEOUT)
        return response

    return package.url, get


def maven_context(mirrors: Mirrors, cache: Path) -> MavenContext:
    """Jgo's view of the Maven repositories."""
    return MavenContext(repo_cache=cache, remote_repos={"mirror": mirrors.maven.rstrip("/")} if mirrors.maven else None)


def pypi_client(mirrors: Mirrors) -> PyPISimple:
    """The client of the Python package index."""
    return PyPISimple(mirrors.pypi) if mirrors.pypi else PyPISimple()


def _maven_get(address: str, headers: Mapping[str, str]) -> Response:
    response: Response = http.get(address, headers=dict(headers), stream=True, timeout=_TIMEOUT)
    return response


def _package(pin: PypiPin, client: PyPISimple) -> DistributionPackage:
    try:
        packages = client.get_project_page(pin.project, timeout=_TIMEOUT).packages
    except NoSuchProjectError as error:
        raise _gone(pin, f"the index has no project {pin.project!r}") from error
    except OSError as error:
        raise ArtifactError(
            f"{pin.name}: the Python package index cannot be reached.",
            why=str(error),
            remedy="check the network and the proxy, then: lakehold pins fetch",
        ) from error
    for package in packages:
        if package.filename == pin.filename:
            return package
    raise _gone(pin, f"the index has no file {pin.filename}")


def _gone(pin: PypiPin, why: str) -> ArtifactError:
    return ArtifactError(
        f"{pin.name}: {pin.filename} cannot be downloaded.",
        why=why,
        remedy="check that the registry (or your mirror of it) still has this version: lakehold pins outdated",
    )
