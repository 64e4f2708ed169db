"""Build a pinned Go program with the pinned toolchain.

Such a build is reproducible (no cgo, no paths, no build ids of this machine), so the program's own sum is pinned.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from lakehold.errors import ArtifactError
from lakehold.release.pins import GoPin
from lakehold.release.program import run

_INHERITED = ("PATH", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def build_command(pin: GoPin, go: Path) -> list[str]:
    """The command that builds the program."""
    return [str(go / "bin" / "go"), "install", "-trimpath", "-ldflags", "-s -w", f"{pin.package}@{pin.version}"]


def build_environment(go: Path, work: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The build's whole environment: everything it writes is below ``work``."""
    inherited = {name: environ[name] for name in (*_INHERITED, *_PROXIES) if name in environ}
    return inherited | {
        "HOME": str(work),
        "GOROOT": str(go),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOTMPDIR": str(work),
        "GOBIN": str(work / "bin"),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "GOTELEMETRY": "off",
        "GOENV": "off",
    }


def build(pin: GoPin, go: Path, work: Path, lock: int, check: Callable[[], None]) -> Path:
    """Build ``pin`` in the folder ``work`` and return the program; the caller removes the rest with :func:`remove`.

    ``lock`` and ``check`` are those of :func:`lakehold.release.program.run`.
    """
    work.mkdir(parents=True)
    code, said = run(build_command(pin, go), build_environment(go, work, os.environ), lock, check)
    program = work / "bin" / pin.filename
    if code or not program.is_file():
        words = [line for line in said if not line.startswith("go: downloading")]
        raise ArtifactError(
            f"{pin.name}: {pin.package}@{pin.version} could not be built.",
            why=" / ".join(words[-5:]) or f"go exited with {code}",
            remedy="check the network and GOPROXY, then: lakehold pins fetch",
        )
    return program


def remove(work: Path) -> None:
    """Remove a build folder."""
    if work.exists():
        unlock(work)
        shutil.rmtree(work)


def unlock(work: Path) -> None:
    """Make what is below ``work`` removable: Go makes its module cache read-only."""
    for folder, _folders, _files in os.walk(work):
        os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101 - os.walk gives strings
