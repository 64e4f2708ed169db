"""Ask apt of this machine for packages: it knows where they are and checks signatures, we check the lock's sums."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lakehold.errors import ArtifactError
from lakehold.images.debian import Package, resolve, stanzas
from lakehold.images.recipes import Recipes
from lakehold.release import manifest


def lock(recipes: Recipes) -> tuple[Package, ...]:
    """What apt would install now of every set's packages."""
    names = [name for packages in recipes.debian.values() for name in packages.packages]
    return resolve(stanzas(_run(["apt-cache", "show", "--no-all-versions", *names], Path("/"))), recipes)


def ensure(packages: Iterable[Package], folder: Path) -> None:
    """Have every package in ``folder`` by its sum; what was there once needs no network again."""
    folder.mkdir(parents=True, exist_ok=True)
    lacking = {package.sha256: package for package in packages if not path(package, folder).is_file()}
    if not lacking:
        return
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
        _run(["apt-get", "download", *(f"{one.name}={one.version}" for one in lacking.values())], Path(draft))
        for file in sorted(Path(draft).glob("*.deb")):
            package = lacking.pop(manifest.sha256(file), None)
            if package is None:
                raise ArtifactError(
                    f"{file.name} is not the package that docker/debian.lock names; it was not used.",
                    why="its sha256 is another",
                    remedy="do not trust the mirror, or make a new lock: python -m lakehold.images lock",
                )
            file.chmod(0o644)
            file.replace(path(package, folder))
    if lacking:
        raise ArtifactError(f"apt did not bring {', '.join(one.name for one in lacking.values())}.")


def path(package: Package, folder: Path) -> Path:
    """Where a package is kept."""
    return folder / f"{package.sha256}.deb"


def _run(command: list[str], folder: Path) -> str:
    if shutil.which(command[0]) is None:
        raise ArtifactError(
            f"{command[0]} is not here, and the images' Debian packages come through it.",
            remedy="build the images on a Debian 12",
        )
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError(
            "apt does not have the Debian packages that docker/debian.lock names.",
            why=" / ".join(line for line in done.stderr.splitlines() if line.startswith("E:"))[:500],
            # A mirror keeps the newest version only.
            remedy="apt-get update; then: python -m lakehold.images lock, and review the difference",
        )
    return done.stdout
