"""The lineage events of a Spark application, by way of a file: the application never waits for the lineage service.

Spark's listener posts each event while the next one waits, and an application ends when the last was posted, so a
service that hangs would cost a second an event. Instead the listener appends them to a file, and a thread of the task
posts what is new. When the service takes nothing, the file stays; tasks after this one post it, and as the service
stores an event once, a file may be posted as often as it takes.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from lakehold.config.platform import LineageAddress, Platform

_LEFT = ".left.jsonl"
_LOOK_SECONDS = 1.0
_TIMEOUT_SECONDS = 1.0
_PAUSE_SECONDS = 10.0
"""After a failure, so that a service that hangs is left alone."""
_BATCH_BYTES = 4 * 1024 * 1024
_FORGOTTEN_SECONDS = 3600.0
"""A file nobody has written to for so long, by a task that was killed."""
_KEPT_SECONDS = 30 * 24 * 3600.0

Log = Callable[[str], None]


def folder(platform: Platform) -> Path:
    """Return where the files are."""
    return Path(platform.work) / "lineage"


class Spool:
    """One application's file; as a context manager, it is posted while the block runs and once more at its end.

    :param place: the folder of all such files
    :param name: a file name no other application has
    :param log: takes a line for the task's log
    """

    def __init__(self, place: Path, name: str, address: LineageAddress, log: Log) -> None:
        self.path = place / f"{name}.jsonl"
        self._address = address
        self._log = log
        self._sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lineage", daemon=True)

    def conf(self) -> dict[str, str]:
        """Return the Spark properties that send the listener's events to the file."""
        return {"spark.openlineage.transport.type": "file", "spark.openlineage.transport.location": str(self.path)}

    def __enter__(self) -> Self:
        """Begin to post."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Post the rest, which takes two seconds at most; what cannot be posted is left for later."""
        self._ended.set()
        self._thread.join(_TIMEOUT_SECONDS)
        if not self.path.exists():
            return
        # While the thread still waits for an answer, it is known how a further request would fare.
        why = "it does not answer" if self._thread.is_alive() else self._post_new()
        if why or self._sent < self.path.stat().st_size:
            self._log(f"the lineage service does not take events now ({why}); they are kept in {self.path.parent}")
            self.path.replace(self.path.with_name(self.path.stem + _LEFT))
        else:
            self.path.unlink()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            if self._post_new() or post_left(self.path.parent, self._address):
                self._ended.wait(_PAUSE_SECONDS)

    def _post_new(self) -> str:
        """Post the lines that have come since the last time; returns why they were not taken, or nothing."""
        for lines, end in _batches(self.path, self._sent):
            if why := post(self._address, lines):
                return why
            self._sent = end
        return ""


def post(address: LineageAddress, lines: list[bytes]) -> str:
    """Post events as one batch; returns why they were not taken, or nothing. Takes a second at most."""
    request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
        f"{address.url}/api/v1/lineage/batch",
        data=b"[" + b",".join(lines) + b"]",
        headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
    )
    # The machine's proxy variables are not for a service on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        # What the service found malformed it has kept, with the reason: to send it again would not help.
        return "" if error.code == http.client.BAD_REQUEST else f"status {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def post_left(place: Path, address: LineageAddress) -> str:
    """Post what earlier applications could not, the oldest first; returns why something was not taken, or nothing."""
    for path in _left(place):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()
                continue
            for lines, _ in _batches(path, 0):
                if why := post(address, lines):
                    return why
            path.unlink()
    return ""


def _left(place: Path) -> list[Path]:
    dated = []
    for path in place.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime, path))
    now = time.time()
    return [path for at, path in sorted(dated) if path.name.endswith(_LEFT) or now - at > _FORGOTTEN_SECONDS]


def _batches(path: Path, start: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield whole lines from ``start``, some megabytes at a time, with where they end."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(start)
        lines: list[bytes] = []
        size, end = 0, start
        for line in file:
            if not line.endswith(b"\n"):
                break
            lines.append(line)
            size, end = size + len(line), end + len(line)
            if size > _BATCH_BYTES:
                yield lines, end
                lines, size = [], 0
        if lines:
            yield lines, end
