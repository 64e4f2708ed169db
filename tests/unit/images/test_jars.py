"""A bill of materials goes into jars: what Maven says of each, and of what was merged into it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import jars
from lakehold.images.layer import Entry

SUM = "0" * 64


def pom(group: str, artifact: str, version: str) -> str:
    return f"#Created by Maven\nversion={version}\ngroupId = {group}\r\nartifactId={artifact}\n"


def test_a_jar_is_named_by_what_maven_wrote_into_it() -> None:
    (part,) = jars.parts("com.x_tool-api-1.2.jar", SUM, [pom("com.x", "tool-api", "1.2")])
    assert (part.purl, part.sha256) == ("pkg:maven/com.x/tool-api@1.2?type=jar", SUM)


def test_what_was_merged_into_a_jar_is_a_part_of_its_own() -> None:
    whole, merged = jars.parts(
        "bundle-3.0.jar", SUM, [pom("io.netty", "netty-common", "4.1"), pom("org", "bundle", "3.0")]
    )
    assert {whole.purl, merged.purl} == {
        "pkg:maven/io.netty/netty-common@4.1?type=jar",
        "pkg:maven/org/bundle@3.0?type=jar",
    }
    assert {part.sha256 for part in (whole, merged)} == {SUM, ""}


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("JTransforms-3.1.jar", "JTransforms", "3.1"),
        ("spark-core_2.13-4.1.4.jar", "spark-core_2.13", "4.1.4"),
        ("x.jar", "x", ""),
    ],
)
def test_a_jar_without_maven_is_named_by_its_file(filename: str, name: str, version: str) -> None:
    (part,) = jars.parts(filename, SUM, [])
    assert (part.name, part.version, part.purl) == (name, version, f"pkg:generic/{filename}?checksum=sha256:{SUM}")


def test_half_of_a_name_is_none() -> None:
    (part,) = jars.parts("a-1.jar", SUM, ["version=1\n"])
    assert part.purl.startswith("pkg:generic/a-1.jar")


def test_only_jars_are_opened(tmp_path: Path) -> None:
    path, text = tmp_path / "a-1.jar", tmp_path / "notes.txt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/maven/g/a/pom.properties", pom("g", "a", "1"))
        archive.writestr("META-INF/maven/g/a/pom.xml", "<x/>")
    text.write_text("")
    sum_ = hashlib.sha256(path.read_bytes()).hexdigest()
    # A single file has the name of its pin in an image, and its own in the store.
    found = list(jars.inside([Entry(path="opt/store/a", content=path, sha256=sum_), Entry(path="n", content=text)]))
    assert [(part.purl, part.sha256) for part in found] == [("pkg:maven/g/a@1?type=jar", sum_)]


def test_what_is_no_jar_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"a\.jar in the store is no jar"):
        list(jars.inside([Entry(path="a", content=tmp_path / "a.jar")]))
