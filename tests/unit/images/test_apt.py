"""Packages come through apt and count only when they are those of the lock."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import apt
from lakehold.images.debian import Package


def locked(name: str, content: bytes) -> Package:
    return Package(
        set="s", name=name, version="1:2", architecture="amd64", size=1, sha256=hashlib.sha256(content).hexdigest()
    )


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the apt of a test has: a file ``<name>=<version>`` a package; ``asked`` beside it says what it was told."""
    folder, programs = tmp_path / "mirror", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    program = programs / "apt-get"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nshift\n'
        f'for one do cp "{folder}/$one" "${{one%%=*}}_x_amd64.deb" 2>/dev/null ||'
        ' { echo "E: Version for $one was not found" >&2; exit 100; }; done\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return folder


def test_what_is_there_is_not_asked_for_again(mirror: Path, tmp_path: Path) -> None:
    (mirror / "sed=1:2").write_bytes(b"sed")
    (mirror / "dash=1:2").write_bytes(b"dash")
    sed, dash = locked("sed", b"sed"), locked("dash", b"dash")
    debs = tmp_path / "debs"
    apt.ensure([sed], debs)
    apt.ensure([sed, dash], debs)
    apt.ensure([sed, dash], debs)
    assert (tmp_path / "asked").read_text() == "download sed=1:2\ndownload dash=1:2\n"
    assert {path.name for path in debs.iterdir()} == {f"{one.sha256}.deb" for one in (sed, dash)}
    assert apt.path(dash, debs).read_bytes() == b"dash"


def test_another_package_than_the_locked_one_is_not_used(mirror: Path, tmp_path: Path) -> None:
    (mirror / "sed=1:2").write_bytes(b"something else")
    with pytest.raises(ArtifactError, match="is not the package"):
        apt.ensure([locked("sed", b"sed")], tmp_path / "debs")
    assert list((tmp_path / "debs").iterdir()) == []


@pytest.mark.usefixtures("mirror")
def test_a_mirror_that_has_moved_on_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as error:
        apt.ensure([locked("sed", b"sed")], tmp_path / "debs")
    assert "Version for sed=1:2 was not found" in error.value.why
    assert "apt-get update" in error.value.remedy


def test_without_apt_it_says_what_to_build_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArtifactError, match="apt-get is not here"):
        apt.ensure([locked("sed", b"sed")], tmp_path / "debs")
