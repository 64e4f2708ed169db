"""What a Debian package unpacks to, with a package made here."""

from __future__ import annotations

import tarfile

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import deb, system
from lakehold.images.layer import Entry, complete
from made_deb import CONTROL, Members, other, package


def unpacked(members: Members) -> dict[str, Entry]:
    return {entry.path: entry for entry in deb.entries(package(members), "small")}


def test_programs_of_the_root_are_in_usr_and_have_nobody_elses_rights() -> None:
    found = unpacked({"./bin/su": b"elf", "./lib/x86_64-linux-gnu/libc.so.6": b"elf"})
    assert found["usr/bin/su"].mode == 0o755
    assert found["usr/bin/su"].owner == 0
    assert found["usr/lib/x86_64-linux-gnu/libc.so.6"].mode == 0o644
    assert "bin/su" not in found


def test_links_stay_links_and_hard_links_become_files() -> None:
    found = unpacked(
        {
            "./bin/dash": b"elf",
            "./bin/sh": other("./bin/sh", tarfile.SYMTYPE, "dash"),
            "./bin/ash": other("./bin/ash", tarfile.LNKTYPE, "./bin/dash"),
        }
    )
    assert (found["usr/bin/sh"].kind, found["usr/bin/sh"].target) == ("link", "dash")
    assert (found["usr/bin/ash"].kind, found["usr/bin/ash"].content) == ("file", b"elf")


def test_of_documents_only_licences_are_kept() -> None:
    found = unpacked(
        {
            "./usr/share/doc/small/copyright": b"License: MIT",
            "./usr/share/doc/small/changelog.gz": b"",
            "./usr/share/man/man1/small.1.gz": b"",
            "./usr/share/doc/twin": other("./usr/share/doc/twin", tarfile.SYMTYPE, "small"),
        }
    )
    assert sorted(found) == ["usr/share/doc/small/copyright", "usr/share/doc/twin", "var/lib/dpkg/status.d/small"]


def test_a_scanner_finds_the_package() -> None:
    assert unpacked({})["var/lib/dpkg/status.d/small"].content == CONTROL


def test_devices_are_refused() -> None:
    with pytest.raises(ArtifactError, match="has a device"):
        unpacked({"./etc/null": other("./etc/null", tarfile.CHRTYPE)})


def test_what_python_cannot_read_is_said() -> None:
    with pytest.raises(ArtifactError, match=r"data\.tar\.zst"):
        deb.entries(package({}, "zst"), "small")


def test_something_else_is_no_package() -> None:
    with pytest.raises(ArtifactError, match="no ar archive"):
        deb.entries(b"MZ", "small")


def test_the_root_has_one_file_of_certificates_and_no_login() -> None:
    packages = [
        Entry(path=f"usr/share/ca-certificates/mozilla/{name}.crt", content=f"{name}\n".encode()) for name in "ba"
    ]
    found = {entry.path: entry for entry in complete([*packages, *system.entries(packages)])}
    assert found[system.CERTIFICATES].content == b"a\nb\n"
    assert found["tmp"].mode == 0o1777
    assert found["var/lib/lakehold"].owner == 10001
    accounts = found["etc/passwd"].read().decode().splitlines()
    assert all(line.endswith(":/usr/sbin/nologin") for line in accounts)
    assert any(line.startswith("lakehold:x:10001:") for line in accounts)
