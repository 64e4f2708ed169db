"""The lineage events of a Spark application, by way of a file: the application never waits for the lineage service.

Spark's listener posts each event while the next one waits, and an application ends when the last was posted, so a
service that hangs would cost a second an event. Instead the listener appends them to a file, and a thread of the task
posts what is new. When the service takes nothing, the file stays; tasks after this one post it, and as the service
stores an event once, a file may be posted as often as it takes. Lineage never fails a job.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from lakehold.config.platform import LineageAddress
from lakehold.config.posting import LEFT, Answer, post

_LOOK_SECONDS = 1.0
_POST_SECONDS = 10.0
"""For a batch that nobody waits for."""
_END_SECONDS = 0.4
"""What a task takes longer for its last events, at most."""
_PAUSE_SECONDS = 10.0
"""After a failure, so that a service that hangs is left alone."""
_BATCH_BYTES = 512 * 1024
_FORGOTTEN_SECONDS = 3600.0
"""A file without a task: a task that lives touches its file every few seconds."""
_KEPT_SECONDS = 30 * 24 * 3600.0

Log = Callable[[str], None]


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
        self._file = 0
        self._sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lineage", daemon=True)

    def conf(self) -> dict[str, str]:
        """Return the Spark properties that send the listener's events to the file."""
        return {"spark.openlineage.transport.type": "file", "spark.openlineage.transport.location": str(self.path)}

    def __enter__(self) -> Self:
        """Begin to post."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self._log(f"no lineage of this job: {error}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Post the rest as far as that takes no time; what is not taken by then is left for later."""
        deadline = time.monotonic() + _END_SECONDS
        self._ended.set()
        self._thread.join(_END_SECONDS)
        # While the thread still waits for an answer, it is known how a further request would fare.
        why = "it does not answer" if self._thread.is_alive() else self._post_new(deadline)
        try:
            if self.path.exists() and (why or self._unsent()):
                self._log(f"the lineage service does not take events now ({why}); they are kept in {self.path.parent}")
                self.path.replace(self.path.with_name(self.path.stem + LEFT))
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            self._log(f"lineage's events stay in {self.path}: {error}")
            return
        if not why:
            # What the job's own program has left.
            post_left(self.path.parent, self._address, self._log, deadline=deadline)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self.path)  # somebody lives who posts it
            if self._post_new() or post_left(self.path.parent, self._address, self._log, ended=self._ended):
                self._ended.wait(_PAUSE_SECONDS)

    def _post_new(self, deadline: float | None = None) -> str:
        """Post the lines that have come since the last time; returns why they were not taken, or nothing."""
        try:
            self._unsent()
            for lines, end in _batches(self.path, self._sent):
                if why := _post(self._address, lines, self._log, deadline).why:
                    return why
                self._sent = end
        except OSError as error:
            return str(error)
        return ""

    def _unsent(self) -> bool:
        """Whether there is something new; a file that was taken away and began again is new from its begin."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        if found.st_ino != self._file or found.st_size < self._sent:
            self._file, self._sent = found.st_ino, 0
        return self._sent < found.st_size


def post_left(
    place: Path,
    address: LineageAddress,
    log: Log,
    *,
    deadline: float | None = None,
    ended: threading.Event | None = None,
) -> str:
    """Post what others could not, the oldest first; returns why something was not taken, or nothing.

    A file that is not taken does not keep those after it from being posted, unless nobody answers at all.

    :param deadline: on the monotonic clock; what is not posted by then stays
    :param ended: once it is set, the rest stays
    """
    problem = ""
    for path in _left(place):
        if ended is not None and ended.is_set():
            break
        try:
            found = _post_file(path, address, log, deadline)
        except FileNotFoundError:
            continue  # another task has posted it
        except OSError as error:
            found = Answer(why=str(error))
        problem = problem or found.why
        if found.why and not found.status:
            break
    return problem


def _left(place: Path) -> list[Path]:
    dated = []
    for path in place.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime, path))
    now = time.time()
    return [path for at, path in sorted(dated) if path.name.endswith(LEFT) or now - at > _FORGOTTEN_SECONDS]


def _post_file(path: Path, address: LineageAddress, log: Log, deadline: float | None) -> Answer:
    if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
        log(f"nobody took {path.name} for 30 days; it is removed")
        path.unlink()
        return Answer()
    if not path.name.endswith(LEFT):
        # Should somebody write to it after all, that begins another file.
        path = path.rename(path.with_name(f"{path.stem}.{uuid.uuid4()}{LEFT}"))
    for lines, _ in _batches(path, 0):
        answer = _post(address, lines, log, deadline)
        if answer.why:
            return answer
    path.unlink()
    return Answer()


def _post(address: LineageAddress, lines: list[bytes], log: Log, deadline: float | None) -> Answer:
    """Post lines; those that are refused for good are passed over. The answer says why not all were taken now."""
    seconds = _POST_SECONDS if deadline is None else deadline - time.monotonic()
    if seconds <= 0:
        return Answer(why="there was no time")
    answer = post(address, lines, seconds)
    if not answer.refused:
        return answer
    if len(lines) > 1:
        half = len(lines) // 2
        first = _post(address, lines[:half], log, deadline)
        return first if first.why else _post(address, lines[half:], log, deadline)
    if answer.status != http.client.BAD_REQUEST:
        log(f"the lineage service takes no event of {len(lines[0])} bytes, so it is lost: {answer.why}")
    # What is malformed it has kept, with the reason.
    return Answer(status=answer.status)


def _batches(path: Path, start: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield whole lines from ``start``, half a megabyte at a time, with where they end."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(start)
        lines: list[bytes] = []
        size, end = 0, start
        for line in file:
            if not line.endswith(b"\n"):
                break
            if lines and size + len(line) > _BATCH_BYTES:
                yield lines, end
                lines, size = [], 0
            lines.append(line)
            size, end = size + len(line), end + len(line)
        if lines:
            yield lines, end
