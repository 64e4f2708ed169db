"""Debian packages made from nothing, for tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

CONTROL = b"Package: small\nVersion: 1.0-1\n"

Members = Mapping[str, "bytes | tarfile.TarInfo"]
"""Path → content; what is no file is given as the tar's entry."""
_PROGRAMS = ("bin/", "/ld-linux")
"""In the path of what is a program."""


def tarred(members: Members) -> bytes:
    """A compressed tar of these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            program = any(part in name for part in _PROGRAMS)
            info.size, info.mode, info.uid = len(content), 0o4755 if program else 0o640, 7
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def other(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def package(members: Members, compression: str = "xz") -> bytes:
    """A whole package."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tarred({"./control": CONTROL}),
        f"data.tar.{compression}": tarred(members),
    }
    out = b"!<arch>\n"
    for name, content in parts.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        out += header.encode() + content + b"\n" * (len(content) % 2)
    return out
