"""A layer is the same bytes for the same content, whatever the disk, the clock and the order were."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from lakehold.errors import ArtifactError
from lakehold.images.layer import Entry, complete, write

EPOCH = 1_700_000_000


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def written(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    result = write(entries, out, EPOCH)
    assert result.sha256 == sum_of(out.getvalue())
    assert result.size == len(out.getvalue())
    return out.getvalue()


def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {member.name: member for member in tar}


def test_neither_order_nor_the_disk_matters(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for number, path in enumerate((one, other)):
        path.write_bytes(b"text")
        os.utime(path, (number, number))
        path.chmod(0o600 + number)
    first = [Entry(path="b/file", content=one), Entry(path="a", kind="link", target="b/file")]
    second = [Entry(path="a", kind="link", target="b/file"), Entry(path="b/file", content=other)]
    assert written(first) == written(second) == written([*first[1:], Entry(path="b/file", content=b"text")])


def test_everything_belongs_to_root_at_one_time_with_folders_above_it() -> None:
    found = members(written([Entry(path="opt/x/run", content=b"#!", mode=0o755)]))
    assert list(found) == ["opt", "opt/x", "opt/x/run"]
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in found.values()} == {(0, 0, "", "", EPOCH)}
    assert [one.mode for one in found.values()] == [0o755, 0o755, 0o755]


def test_a_folder_can_belong_to_the_user() -> None:
    found = members(written([Entry(path="state", kind="folder", mode=0o770, owner=10001)]))
    assert (found["state"].uid, found["state"].gid, found["state"].mode) == (10001, 10001, 0o770)


def test_equal_files_are_stored_once() -> None:
    content = b"x" * 10_000
    entries = [Entry(path=name, content=content, sha256=sum_of(content)) for name in ("b.jar", "a.jar")]
    found = members(written(entries))
    assert found["b.jar"].islnk()
    assert found["b.jar"].linkname == "a.jar"
    assert found["a.jar"].size == 10_000


def test_equal_files_of_which_one_is_a_program_are_not() -> None:
    content = b"x" * 10_000
    found = members(
        written(
            [
                Entry(path="a", content=content, sha256=sum_of(content)),
                Entry(path="b", content=content, sha256=sum_of(content), mode=0o755),
            ]
        )
    )
    assert found["b"].isfile()
    assert not found["b"].islnk()


def test_a_file_that_is_not_what_was_verified_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    path.write_bytes(b"altered")
    with pytest.raises(ArtifactError, match="not what was verified"):
        write([Entry(path="jar", content=path, sha256=sum_of(b"pinned"))], io.BytesIO(), EPOCH)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "./a", "."])
def test_a_path_stays_within_the_image(path: str) -> None:
    with pytest.raises(ArtifactError, match="no path within an image"):
        complete([Entry(path=path)])


def test_two_different_files_cannot_have_one_path() -> None:
    with pytest.raises(ArtifactError, match="both /etc/hosts"):
        complete([Entry(path="etc/hosts", content=b"1"), Entry(path="etc/hosts", content=b"2")])


def test_nothing_is_below_a_link() -> None:
    with pytest.raises(ArtifactError, match="no folder"):
        complete([Entry(path="bin", kind="link", target="usr/bin"), Entry(path="bin/sh", content=b"")])
