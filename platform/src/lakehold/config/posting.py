"""How our programs hand events to the lineage service: at once, or by a file that a task posts later.

Nobody waits long for lineage, and nothing is lost when it does not answer: what it did not take is left in a folder,
and the next Spark job, or the task that writes ``ops.lineage_*``, posts it. The service stores an event once, so it may
be posted as often as it takes. Only the standard library is used, because every Python environment reads this.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehold.config.platform import LineageAddress, Platform

ANSWER_SECONDS = 0.6
"""Within this the service answers an emitter, if only that PostgreSQL takes too long."""
PATIENCE_SECONDS = 0.7
"""The most an Airflow task waits for an answer, twice; more than the service takes, so that it is heard."""
LEFT = ".left.jsonl"
"""How the name of a file ends that somebody has left for others to post."""
_REFUSALS = frozenset({400, 413})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a request; ``status`` is 0 when nobody answered, ``why`` is empty when it was taken."""

    status: int = 0
    why: str = ""

    @property
    def refused(self) -> bool:
        """Whether it is what was sent that the service does not take, now or later: malformed, or too large."""
        return self.status in _REFUSALS


_TIMED_OUT = Answer(why="timed out")


def post(address: LineageAddress, lines: Sequence[bytes], seconds: float) -> Answer:
    """Post events, each as JSON, as one batch. Takes ``seconds`` at most in all, and never raises."""
    where = urlsplit(address.url)
    # A connection of its own: the machine's proxy variables are not for a service on loopback.
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.netloc, timeout=seconds)
    # The connection's own timeout begins again with each byte that comes.
    over = threading.Event()
    end = threading.Timer(seconds, _cut, (connection, over))
    end.daemon = True
    end.start()
    try:
        connection.connect()
        if over.is_set():
            return _TIMED_OUT
        connection.request(
            "POST",
            f"{where.path}/api/v1/lineage/batch",
            body=b"[" + b",".join(lines) + b"]",
            headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
        )
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _TIMED_OUT if over.is_set() else Answer(why=str(error) or type(error).__name__)
    finally:
        end.cancel()
        connection.close()
    return Answer(status=status, why="" if status < 300 else f"status {status}")


def _cut(connection: http.client.HTTPConnection, over: threading.Event) -> None:
    """End a request that somebody waits for; the one who waits gets an error."""
    over.set()
    channel = connection.sock
    with contextlib.suppress(OSError):  # it may have ended by itself
        if channel is not None:
            channel.shutdown(socket.SHUT_RDWR)


def folder(platform: Platform) -> Path:
    """Return where events are left."""
    return Path(platform.work) / "lineage"


def leave(place: Path, events: Iterable[Mapping[str, Any]]) -> str:
    """Leave events for others to post; returns why that is not possible, or nothing."""
    name = str(uuid.uuid4())
    draft = place / f".{name}"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
        # In one step, so that nobody posts half of it.
        draft.rename(place / f"{name}{LEFT}")
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        return str(error)
    return ""
