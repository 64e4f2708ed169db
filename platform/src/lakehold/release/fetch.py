"""Bring what is missing into the store: several at a time, each under its own lock."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lakehold.errors import ArtifactError
from lakehold.release import envs, golang, manifest, origins
from lakehold.release.download import Get, Wanted, download, sync_folder, wrong_sum
from lakehold.release.locking import locked
from lakehold.release.pins import GoPin, JarsPin, MavenPin, Pin
from lakehold.release.progress import Progress, Silent, megabytes
from lakehold.release.unpack import unpack

if TYPE_CHECKING:
    from lakehold.release.store import Store

_PARALLEL = 4
_BEAT = 2.0
"""Seconds between two looks at what is under way."""
_WAITING = "waiting"
_DRAFT = ".draft-"


class _StoppedError(ArtifactError):
    """Another fetch failed, or the user asked to stop; what is here stays for the next time."""


def fetch(
    store: Store, pins: list[str], environments: list[str], progress: Progress | None = None, *, cached: bool = True
) -> None:
    """Fetch pins and build environments; the first failure stops the others and is raised."""
    job = _Fetch(store, progress or Silent(), cached=cached)
    job.check_machine(pins)
    job.check_space(pins, environments)
    job.run(pins, environments)


class _Fetch:
    def __init__(self, store: Store, progress: Progress, *, cached: bool) -> None:
        self._store = store
        self._cached = cached
        self._layout = store.layout
        self._progress = progress
        self._mirrors = origins.Mirrors.read()
        self._stop = threading.Event()

    def check_machine(self, pins: list[str]) -> None:
        """Refuse programs of another machine."""
        here = platform.machine()
        other = [name for name in pins if self._store.pins.artifact(name).machine not in ("", here)]
        if other or (platform.system() != "Linux" and pins):
            raise ArtifactError(
                f"Lakehold's programs are for Linux on x86_64; this is {platform.system()} on {here}.",
                why=f"pinned for another machine: {', '.join(other or pins)}",
                remedy="use such a machine, or a virtual one",
            )

    def check_space(self, pins: list[str], environments: list[str]) -> None:
        """Refuse before anything is written when the disk is too full."""
        root = self._layout.root
        try:
            (root / "artifacts").mkdir(parents=True, exist_ok=True)
            for folder in (root, root / "artifacts"):
                # Whatever the umask is: started by root, PostgreSQL runs as another account.
                folder.chmod(folder.stat().st_mode | 0o055)
        except OSError as error:
            raise ArtifactError(
                f"The store {root} cannot be made.",
                why=str(error),
                remedy="set LAKEHOLD_STORE to a folder you may write to",
            ) from error
        known = self._store.pins
        needed = sum(known.artifact(name).disk for name in pins) + sum(known.env(name).disk for name in environments)
        free = shutil.disk_usage(root).free
        if free < needed:
            raise ArtifactError(
                f"Not enough disk space for {', '.join([*pins, *environments])}.",
                why=f"needed are {megabytes(needed)}, free are {megabytes(free)} in {root}",
                remedy="free some space, or set LAKEHOLD_STORE to a folder on another disk",
            )

    def run(self, pins: list[str], environments: list[str]) -> None:
        """All of it, in parallel: what takes longest first."""
        artifacts = [self._store.pins.artifact(name) for name in pins]
        programs = [pin for pin in artifacts if isinstance(pin, GoPin)]
        toolchain = [pin for pin in artifacts if programs and pin.name == "go"]
        others = sorted((pin for pin in artifacts if pin not in (*programs, *toolchain)), key=lambda pin: -pin.size)
        jobs = [partial(self._environments, environments), partial(self._artifacts, [*toolchain, *programs])]
        self._all([*jobs, *(partial(self._artifacts, [pin]) for pin in others)])

    def _all(self, jobs: Sequence[Callable[[], None]]) -> None:
        with ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="fetch") as pool:
            futures = [pool.submit(job) for job in jobs]
            try:
                self._watch(futures)
            except BaseException:
                self._stop.set()
                raise
            finally:
                if self._stop.is_set():
                    pool.shutdown(wait=False, cancel_futures=True)
        failures = [error for future in futures if not future.cancelled() and (error := future.exception())]
        for error in sorted(failures, key=lambda error: isinstance(error, _StoppedError)):
            raise error

    def _watch(self, futures: list[Future[None]]) -> None:
        """Wait for all, or for the first failure."""
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=_BEAT, return_when=FIRST_EXCEPTION)
            self._progress.beat()
            if any(future.exception() for future in done):
                self._stop.set()
                return

    def _environments(self, names: list[str]) -> None:
        for name in names:
            self._check()
            lock = self._store.env_lock(name)
            with locked(self._layout.lock(name), partial(self._progress.step, name, _WAITING)) as lock_fd, _disk(name):
                folder = self._store.env_folder(name)
                if envs.python_of(folder) is None:
                    self._progress.step(name, "installing")
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    envs.build(folder, name, lock, lock_fd, self._check, cached=self._cached)
                self._progress.done(name, f"Python environment is in {folder}")

    def _artifacts(self, pins: list[Pin]) -> None:
        for pin in pins:
            self._check()
            step = partial(self._progress.step, pin.name)
            with locked(self._layout.lock(pin.name), partial(step, _WAITING)) as lock_fd, _disk(pin.name):
                if not self._layout.artifact(pin).is_dir():
                    self._sweep(pin)
                    self._bring(pin, lock_fd)
                    self._unpack(pin)
                self._progress.done(pin.name, f"{pin.version} is in the store")

    def _bring(self, pin: Pin, lock_fd: int) -> None:
        """Make the pin's verified download be there."""
        target = self._layout.download(pin)
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(pin, JarsPin):
            self._progress.step(pin.name, "downloading", pin.size)
            target.mkdir(exist_ok=True)
            for file, jar in pin.files.items():
                wanted = Wanted(name=pin.name, filename=file.filename, sha256=jar.sha256, size=jar.size)
                self._download(wanted, partial(origins.locate_maven, file, self._mirrors), target / file.filename)
        elif isinstance(pin, GoPin):
            if not _whole(target, pin.sha256):
                self._build(pin, lock_fd)
        else:
            self._progress.step(pin.name, "downloading", pin.size)
            locate: Callable[[], tuple[str, Get]] = (
                partial(origins.locate_maven, pin.file, self._mirrors)
                if isinstance(pin, MavenPin)
                else partial(origins.locate_pypi, pin, self._mirrors)
            )
            self._download(_wanted(pin), locate, target)

    def _download(self, wanted: Wanted, locate: Callable[[], tuple[str, Get]], target: Path) -> None:
        if _whole(target, wanted.sha256):
            self._progress.moved(wanted.name, wanted.size)
            return
        address, get = locate()
        download(wanted, address, get, target, self._moved(wanted.name))

    def _build(self, pin: GoPin, lock_fd: int) -> None:
        go = self._store.artifact("go")
        work = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{pin.name}--", dir=self._layout.root / "artifacts"))
        self._progress.step(pin.name, "building")
        try:
            program = golang.build(pin, go, work / "build", lock_fd, self._check)
            found = manifest.sha256(program)
            if found != pin.sha256:
                raise wrong_sum(_wanted(pin), found)
            program.replace(self._layout.download(pin))
        finally:
            golang.remove(work)

    def _unpack(self, pin: Pin) -> None:
        source, folder = self._layout.download(pin), self._layout.artifact(pin)
        draft = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{pin.name}--", dir=folder.parent))
        try:
            self._progress.step(pin.name, "unpacking")
            if isinstance(pin, JarsPin):
                shutil.copytree(source, draft, dirs_exist_ok=True)
                draft.chmod(0o755)
            else:
                unpack(source, pin.filename, pin.unpack, draft, self._moved(pin.name))
            self._progress.step(pin.name, "verifying")
            lines = manifest.describe(draft, self._moved(pin.name))
            if manifest.total(lines) != pin.tree:
                raise ArtifactError(
                    f"{pin.name}: what {pin.filename} unpacked to is not what is pinned; it was not used.",
                    why=f"the sum of its tree is {manifest.total(lines)}, platform/pins.toml says {pin.tree}",
                    remedy="after a change of `unpack` or `version`: check the tree and pin its new sum",
                )
            os.sync()
            self._layout.manifest(pin).write_text(lines, encoding="utf-8")
            draft.rename(folder)
            sync_folder(folder.parent)
            if source.is_dir():
                shutil.rmtree(source)
            else:
                source.unlink()
        finally:
            if draft.exists():
                shutil.rmtree(draft)

    def _sweep(self, pin: Pin) -> None:
        """Remove what a killed fetch of this pin left; the lock says that none is under way."""
        for leftover in (self._layout.root / "artifacts").glob(f"{_DRAFT}{pin.name}--*"):
            golang.remove(leftover)

    def _moved(self, name: str) -> Callable[[int], None]:
        def moved(count: int) -> None:
            self._check()
            self._progress.moved(name, count)

        return moved

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StoppedError("The fetch was stopped.", remedy="lakehold pins fetch")


@contextmanager
def _disk(name: str) -> Iterator[None]:
    """Turn what the disk refuses into words."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{name}: could not be written to the store.",
            why=str(error),
            remedy="free some space, or set LAKEHOLD_STORE to another folder; then: lakehold pins fetch",
        ) from error


def _whole(target: Path, sha256: str) -> bool:
    """Whether an interrupted fetch left the whole download; one that is not right is removed."""
    if target.exists() and manifest.sha256(target) == sha256:
        return True
    target.unlink(missing_ok=True)
    return False


def _wanted(pin: Pin) -> Wanted:
    return Wanted(name=pin.name, filename=pin.filename, sha256=pin.sha256, size=pin.size)
