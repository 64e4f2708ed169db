"""What is inside jars, by what Maven wrote into them: a jar may hold others that were merged into it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry
from lakehold.images.sbom import GENERIC, Licence, Part, maven

_POM = re.compile(r"^META-INF/maven/[^/]+/[^/]+/pom\.properties$")


def inside(entries: Iterable[Entry]) -> Iterator[Part]:
    """The parts of all jars among these files; :class:`ArtifactError` when one cannot be read."""
    for entry in entries:
        if isinstance(entry.content, Path) and entry.content.suffix == ".jar":
            yield from parts(entry.content.name, entry.sha256, _poms(entry.content))


def parts(filename: str, sha256: str, poms: Iterable[str]) -> list[Part]:
    """A jar, named by its own ``pom.properties`` or else by its file, and what was merged into it (pure)."""
    found = []
    own = False
    for group, artifact, version in sorted({_coordinates(text) for text in poms}):
        if not (group and artifact and version):
            continue
        # Trino's files begin with the group.
        itself = filename.endswith(f"_{artifact}-{version}.jar") or filename == f"{artifact}-{version}.jar"
        own = own or itself
        found.append(
            Part(
                name=artifact,
                version=version,
                purl=maven(group, artifact, version, "", "jar"),
                licence=Licence(),
                sha256=sha256 if itself else "",
            )
        )
    return found if own else [_file(filename, sha256), *found]


def _file(filename: str, sha256: str) -> Part:
    match = re.match(r"^(?P<name>.+?)-(?P<version>\d.*)\.jar$", filename)
    name, version = (match["name"], match["version"]) if match else (filename.removesuffix(".jar"), "")
    purl = f"{GENERIC}{filename}?checksum=sha256:{sha256}"
    return Part(name=name, version=version, purl=purl, licence=Licence(), sha256=sha256)


def _coordinates(text: str) -> tuple[str, str, str]:
    fields = dict(re.findall(r"^(groupId|artifactId|version)\s*=\s*(\S+)\s*$", text, re.MULTILINE))
    return fields.get("groupId", ""), fields.get("artifactId", ""), fields.get("version", "")


def _poms(jar: Path) -> list[str]:
    try:
        with zipfile.ZipFile(jar) as archive:
            return [archive.read(name).decode(errors="replace") for name in archive.namelist() if _POM.match(name)]
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{jar.name} in the store is no jar.", why=str(error), remedy="lakehold pins verify"
        ) from error
