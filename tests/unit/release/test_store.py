"""The store with a real registry on loopback: whole or nothing, once, by several at a time, and verified."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from lakehold.errors import ArtifactError
from lakehold.release import manifest
from lakehold.release.pins import Unpack
from lakehold.release.pinsfile import parse_pins
from lakehold.release.progress import Lines
from lakehold.release.store import Store, default_root
from lakehold.release.unpack import unpack

if TYPE_CHECKING:
    from tests.unit.release.conftest import Registry

describe = manifest.describe
_TICK = 0.05
"""Seconds in which every file system's clock has moved on."""

FILES = {f"lib/{number}.jar": os.urandom(20_000) for number in range(150)} | {"bin/run": b"#!/bin/sh\necho ran\n"}


def packed(top: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in FILES.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.mode, info.size = 0o755 if name.startswith("bin") else 0o644, len(body)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def entry(body: bytes, filename: str, how: Unpack, **more: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "download").write_bytes(body)
        root = Path(folder) / "root"
        root.mkdir()
        unpack(Path(folder) / "download", filename, how, root)
        tree = manifest.total(manifest.describe(root))
    sums = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "tree": tree, "disk": 2 * len(body)}
    return {"license": "MIT", "reason": "A test.", "unpack": how.model_dump(mode="json")} | sums | more


class World:
    """A store with two pins: ``server`` (a Maven archive) and ``tool`` (a PyPI file)."""

    def __init__(self, registry: Registry, root: Path) -> None:
        self.registry, self.root = registry, root
        self.server = packed("server-1.0")
        self.tool = os.urandom(50_000)
        registry.files["/maven/org/example/server/1.0/server-1.0.tar.gz"] = self.server
        registry.files["/simple/tool/tool-1.0.bin.tar.gz"] = self.tool
        registry.files["/simple/tool/"] = b'<!DOCTYPE html><a href="tool-1.0.bin.tar.gz">tool-1.0.bin.tar.gz</a>'
        unpacking = Unpack(format="tar", subtree="server-1.0")
        server = entry(self.server, "server-1.0.tar.gz", unpacking, version="1.0", kind="maven", packaging="tar.gz")
        server["coordinates"] = "org.example:server"
        tool = entry(self.tool, "tool-1.0.bin.tar.gz", Unpack(), version="1.0", kind="pypi", project="tool")
        tool["filename"] = "tool-1.0.bin.tar.gz"
        self.artifacts: dict[str, dict[str, Any]] = {"server": server, "tool": tool}

    @property
    def store(self) -> Store:
        pins = parse_pins(tomlkit.dumps({"artifacts": self.artifacts}))
        return Store(self.root, pins, self.root / "locks-of-envs")

    def downloads(self) -> tuple[int, int]:
        """Times the server archive and the tool were asked for."""
        asked = self.registry.downloads
        return asked("/maven/org/example/server/1.0/server-1.0.tar.gz"), asked("/simple/tool/tool-1.0.bin.tar.gz")

    def process(self, delay: float = 0.0) -> subprocess.Popen[str]:
        """Another process that fetches everything; unpacking is slowed by ``delay`` seconds a file."""
        (self.root.parent / "pins.toml").write_text(tomlkit.dumps({"artifacts": self.artifacts}), encoding="utf-8")
        program = f"""
            import time
            from pathlib import Path
            from lakehold.release.pinsfile import load_pins
            from lakehold.release.progress import Lines
            from lakehold.release.store import Store
            class Slow(Lines):
                def moved(self, name, count):
                    super().moved(name, count)
                    if name in self._steps and self._steps[name][0] == "unpacking":
                        time.sleep({delay})
            store = Store(Path({str(self.root)!r}), load_pins(Path({str(self.root.parent / "pins.toml")!r})))
            store.ensure(["server", "tool"], [], Slow(lambda line: print(line, flush=True)))
            """
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def world(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("LAKEHOLD_MAVEN_REPOSITORY", f"{registry.address}/maven")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{registry.address}/simple/")
    return World(registry, tmp_path / "store")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_everything_is_fetched_once_and_laid_out(world: World) -> None:
    said: list[str] = []
    world.store.ensure(["server", "tool"], [], Lines(said.append))
    assert subprocess.check_output([world.store.artifact("server") / "bin/run"], text=True) == "ran\n"
    assert world.store.artifact("tool").read_bytes() == world.tool
    assert names(world.root / "downloads") == []
    assert not [name for name in names(world.root / "artifacts") if name.startswith(".")]
    assert world.store.verify("server") == world.store.verify("tool") == []
    assert "server: 1.0 is in the store" in said
    world.store.ensure(["server", "tool"], [])
    assert world.downloads() == (1, 1)


def test_a_wrong_sum_stops_and_spares_what_was_good(world: World) -> None:
    world.store.ensure(["tool"], [])
    world.registry.files["/maven/org/example/server/1.0/server-1.0.tar.gz"] = world.server[:-1] + b"!"
    with pytest.raises(ArtifactError) as caught:
        world.store.ensure(["server", "tool"], [])
    assert world.artifacts["server"]["sha256"] in str(caught.value)
    assert hashlib.sha256(world.server[:-1] + b"!").hexdigest() in str(caught.value)
    assert world.store.missing(["server", "tool"], []) == (["server"], [])
    assert names(world.root / "downloads") == []
    with pytest.raises(ArtifactError, match=r"server 1\.0 is not in the store"):
        world.store.artifact("server")


def test_an_archive_that_unpacks_to_something_else_is_not_used(world: World) -> None:
    world.artifacts["server"]["tree"] = "f" * 64
    with pytest.raises(ArtifactError, match="f" * 64):
        world.store.ensure(["server"], [])
    assert names(world.root / "artifacts") == []
    assert len(names(world.root / "downloads")) == 1, "the download was right, and stays for the next time"


def test_too_little_disk_is_said_before_anything_is_asked_for(world: World) -> None:
    world.artifacts["server"]["disk"] = 10**16
    with pytest.raises(ArtifactError, match=r"needed are 10000000\.0 GB, free are [\d.]+ GB"):
        world.store.ensure(["server"], [])
    assert world.registry.requests == []


def test_a_store_that_cannot_be_made_says_so(world: World) -> None:
    world.root.write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot be made"):
        world.store.ensure(["tool"], [])


def test_the_registry_is_away(world: World) -> None:
    world.registry.files.clear()
    with pytest.raises(ArtifactError, match="tool"):
        world.store.ensure(["tool"], [])


def test_killed_while_unpacking_nothing_half_written_is_seen(world: World) -> None:
    process = world.process(delay=0.02)
    deadline = time.monotonic() + 60
    while not list((world.root / "artifacts").glob(".draft-server--*/_source/*/lib/*.jar")):
        assert time.monotonic() < deadline, process.stdout
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert world.store.missing(["server"], []) == (["server"], [])
    assert world.store.layout.download(world.store.pins.artifact("server")).exists()
    world.store.ensure(["server", "tool"], [])
    assert world.downloads()[0] == 1, "what was downloaded is not asked for again"
    assert world.store.verify("server") == []
    assert not [name for name in names(world.root / "artifacts") if name.startswith(".")]


def test_killed_while_downloading_the_rest_is_fetched_later(world: World) -> None:
    world.registry.gate = threading.Event()
    process = world.process()
    download = world.store.layout.download(world.store.pins.artifact("server"))
    part = download.with_name(f"{download.name}.part")
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = part.stat().st_size
    world.registry.gate.set()
    assert world.store.missing(["server"], []) == (["server"], [])
    world.store.ensure(["server"], [])
    assert ("/maven/org/example/server/1.0/server-1.0.tar.gz", f"bytes={left}-") in world.registry.requests
    assert world.store.verify("server") == []


def test_two_checkouts_at_the_same_time_fetch_once(world: World) -> None:
    processes = [world.process(delay=0.002) for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert world.downloads() == (1, 1)
    assert world.store.verify("server") == world.store.verify("tool") == []


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda folder: (folder / "lib/7.jar").write_bytes(b"evil"), "lib/7.jar was changed"),
        (lambda folder: (folder / "lib/7.jar").unlink(), "lib/7.jar is missing"),
        (lambda folder: (folder / "lib/evil.jar").write_bytes(b"evil"), "lib/evil.jar does not belong there"),
        (lambda folder: (folder / "bin/run").chmod(0o644), "bin/run has another mode"),
    ],
)
def test_tampering_is_named_and_mended(world: World, tamper: Any, says: str) -> None:
    world.store.ensure(["server", "tool"], [])
    tamper(world.store.artifact("server"))
    (said,) = world.store.verify("server")
    assert said.startswith(says)
    assert world.store.verify("tool") == []
    world.store.remove("server")
    world.store.ensure(["server", "tool"], [])
    assert world.store.verify("server") == []
    assert world.downloads() == (2, 1)


def test_a_start_notices_what_was_changed_and_reads_only_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.ensure(["server", "tool"], [])
    time.sleep(_TICK)
    for name in ("server", "tool"):
        world.store.layout.manifest(world.store.pins.artifact(name)).touch()
    read: list[Path] = []
    monkeypatch.setattr(manifest, "describe", lambda root, *_more: read.append(root) or describe(root))
    world.store.ensure(["server", "tool"], [])
    assert read == [], "nothing was touched, so nothing is read"

    jar = world.store.artifact("server") / "lib/7.jar"
    times = jar.stat()
    jar.write_bytes(os.urandom(times.st_size))
    os.utime(jar, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ArtifactError, match=r"lib/7\.jar was changed") as caught:
        world.store.ensure(["server", "tool"], [])
    assert caught.value.remedy == "lakehold pins fetch --again server"
    assert read == [world.store.artifact("server")]


def test_a_copied_store_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.ensure(["server"], [])
    for path in world.store.artifact("server").rglob("*"):
        path.touch()
    time.sleep(_TICK)
    read: list[Path] = []
    monkeypatch.setattr(manifest, "describe", lambda root, *_more: read.append(root) or describe(root))
    world.store.ensure(["server"], [])
    world.store.ensure(["server"], [])
    assert len(read) == 1


def test_what_changed_in_the_tick_of_the_last_look_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.ensure(["server"], [])
    changed = world.store.artifact("server") / "lib/7.jar"
    changed.touch()
    looked = changed.stat().st_ctime_ns
    os.utime(world.store.layout.manifest(world.store.pins.artifact("server")), ns=(looked, looked))
    read: list[Path] = []
    monkeypatch.setattr(manifest, "describe", lambda root, *_more: read.append(root) or describe(root))
    world.store.ensure(["server"], [])
    assert len(read) == 1


@pytest.mark.parametrize("change", ["add", "remove", "replace with a link"])
def test_a_start_notices_files_that_came_or_went(world: World, change: str) -> None:
    world.store.ensure(["server"], [])
    folder = world.store.artifact("server")
    if change == "add":
        (folder / "lib" / "evil.jar").write_bytes(b"evil")
    else:
        (folder / "lib" / "7.jar").unlink()
    if change == "replace with a link":
        (folder / "lib" / "7.jar").symlink_to("8.jar")
    with pytest.raises(ArtifactError, match="not as pinned"):
        world.store.ensure(["server"], [])


def test_a_manifest_changed_together_with_the_file_does_not_help(world: World) -> None:
    world.store.ensure(["server"], [])
    (world.store.artifact("server") / "lib/7.jar").write_bytes(b"evil")
    record = world.store.layout.manifest(world.store.pins.artifact("server"))
    record.write_text(manifest.describe(world.store.artifact("server")), encoding="utf-8")
    (said,) = world.store.verify("server")
    assert world.artifacts["server"]["tree"] in said


def test_another_way_of_unpacking_is_another_folder(world: World) -> None:
    before = world.store.layout.artifact(world.store.pins.artifact("server"))
    world.artifacts["server"]["unpack"]["keep"] = {"lib": ["1.jar"]}
    assert world.store.layout.artifact(world.store.pins.artifact("server")) != before


def test_where_the_store_is(tmp_path: Path) -> None:
    assert default_root({"LAKEHOLD_STORE": str(tmp_path)}, uid=1000) == tmp_path
    assert default_root({"XDG_CACHE_HOME": str(tmp_path)}, uid=1000) == tmp_path / "lakehold"
    assert default_root({}, uid=1000) == Path("~/.cache/lakehold").expanduser()
    assert default_root({}, uid=0) == Path("/var/cache/lakehold"), "below root's home PostgreSQL's account cannot read"


def test_removing_what_is_not_there_is_nothing(world: World) -> None:
    world.store.ensure(["tool"], [])
    world.store.remove("server")
    assert world.store.verify("tool") == []


def test_programs_of_another_machine_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.artifacts["server"]["machine"] = "x86_64"
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ArtifactError, match="this is Linux on riscv64"):
        world.store.ensure(["server"], [])
    world.store.ensure(["tool"], [])


def test_other_accounts_can_read_the_store_whatever_the_umask(world: World) -> None:
    before = os.umask(0o077)
    try:
        world.store.ensure(["server"], [])
    finally:
        os.umask(before)
    folder = world.store.artifact("server")
    for path in (world.root, folder.parent, folder, folder / "bin"):
        assert path.stat().st_mode & 0o055 == 0o055, path


def test_one_failure_stops_the_others_and_what_is_done_stays(world: World) -> None:
    world.registry.files["/simple/tool/tool-1.0.bin.tar.gz"] = b"x" * len(world.tool)
    world.registry.gate = threading.Event()
    threading.Timer(2, world.registry.gate.set).start()
    with pytest.raises(ArtifactError, match="is not the file that is pinned"):
        world.store.ensure(["server", "tool"], [])
    world.registry.gate = None
    world.registry.files["/simple/tool/tool-1.0.bin.tar.gz"] = world.tool
    world.store.ensure(["server", "tool"], [])
    assert world.store.verify("server") == world.store.verify("tool") == []


def test_ctrl_c_leaves_a_store_that_goes_on(world: World) -> None:
    process = world.process(delay=0.2)
    deadline = time.monotonic() + 60
    while not list((world.root / "artifacts").glob(".draft-server--*/_source/*/lib/*.jar")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert not [name for name in names(world.root / "artifacts") if name.startswith(".")], "it cleaned up after itself"
    world.store.ensure(["server", "tool"], [])
    assert world.downloads()[0] == 1, "what was downloaded is not asked for again"
