"""What of a root file system no package brings: accounts, names, certificates, places to write to (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from lakehold.cluster import layout
from lakehold.images.layer import Entry

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_AUTHORITIES = "usr/share/ca-certificates/"
_USER_NAME = "lakehold"
"""PostgreSQL wants its user to have a name."""
_NOBODY = 65534
_NAMES = ("passwd", "group", "services", "protocols")
_LINKS = ("bin", "lib", "lib64", "sbin")
"""Those of :data:`lakehold.images.deb.MERGED` that a machine with one word size has."""


def entries(packages: Iterable[Entry]) -> list[Entry]:
    """The files, given those of the packages of the first layer."""
    home = str(layout.STATE)
    own, user = _USER_NAME, layout.USER
    return [
        _text(
            "etc/passwd",
            "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"{own}:x:{user}:{user}:{own}:{home}:/usr/sbin/nologin\n"
            f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/nonexistent:/usr/sbin/nologin\n",
        ),
        _text("etc/group", f"root:x:0:\n{own}:x:{user}:\nnogroup:x:{_NOBODY}:\n"),
        _text("etc/nsswitch.conf", "".join(f"{name}: files\n" for name in _NAMES) + "hosts: files dns\n"),
        Entry(path=CERTIFICATES, content=_authorities(packages)),
        Entry(path="etc/localtime", kind="link", target="/usr/share/zoneinfo/Etc/UTC"),
        *(Entry(path=folder, kind="link", target=f"usr/{folder}") for folder in _LINKS),
        *(Entry(path=f"usr/{folder}", kind="folder", mode=0o755) for folder in _LINKS),
        *(Entry(path=folder, kind="folder", mode=0o755) for folder in ("dev", "proc", "run", "sys")),
        Entry(path=str(layout.GIVEN).lstrip("/"), kind="folder", mode=0o755),
        Entry(path="root", kind="folder", mode=0o700),
        Entry(path="tmp", kind="folder", mode=0o1777),
        Entry(path="var/tmp", kind="folder", mode=0o1777),
        Entry(path=home.lstrip("/"), kind="folder", mode=0o770, owner=user),
    ]


def _authorities(packages: Iterable[Entry]) -> bytes:
    """All certificates in one file, as the package's own script would have written them."""
    found = sorted((entry.path, entry.read()) for entry in packages if entry.path.startswith(_AUTHORITIES))
    return b"".join(content.rstrip(b"\n") + b"\n" for _path, content in found)


def _text(path: str, text: str) -> Entry:
    return Entry(path=path, content=text.encode())
