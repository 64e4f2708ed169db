"""What an HTTP answer means to who sends: taken, refused for good, or not now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from lakehold.lineage.sinks.model import RefusedError, UnavailableError

_MESSAGES = ("message", "responseMessage", "error", "detail")
_LATER = frozenset({423, 425, 429})
_EITHER = frozenset({403, 408})
"""Besides 5xx: a firewall forbids one text and not another, a server may wait in vain for the end of one body."""
_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 404, 405, 406, 410, 415})
"""Nothing at this address takes what we send: a setting is wrong, or a server is half installed; no item's fault."""
_DENIED = frozenset({401, 407})
_DENIED_SECONDS = 30.0
"""A wrong token is mended by a person, who need not wait long afterwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer; the names of ``headers`` are in small letters."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


class FailedError(UnavailableError):
    """This item did not get through (no answer, 5xx): it may be the item's fault or the other side's."""


def judge(answer: Answer) -> None:
    """Return when the answer says taken; else raise what it means.

    :class:`UnavailableError` for what is the other side's state (too many requests, a wrong token, a 503 that says
    until when), :class:`FailedError` for what might come from the item, :class:`RefusedError` for the rest.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    reason = f"{status} {say(answer)}".strip()
    if status in _DENIED:
        raise UnavailableError(f"it does not let us in: {reason}", retry_after=retry_after(answer) or _DENIED_SECONDS)
    if status in _ELSEWHERE:
        raise UnavailableError(f"nothing takes it at this address: {reason}", retry_after=retry_after(answer))
    if status in _LATER or (status == 503 and retry_after(answer) is not None):
        raise UnavailableError(reason, retry_after=retry_after(answer))
    if status >= 500 or status in _EITHER:
        raise FailedError(reason, retry_after=retry_after(answer) or (_DENIED_SECONDS if status == 403 else None))
    raise RefusedError(reason)


def say(answer: Answer, most: int = 500) -> str:
    """Return what an answer says: the message of a JSON object, else the first line (it may be a page of HTML)."""
    try:
        value = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        value = None
    for key in _MESSAGES if isinstance(value, dict) else ():
        if isinstance(value.get(key), str):
            return str(value[key]).replace("\n", " ")[:most]
    lines = answer.content.decode("utf-8", "replace").strip().splitlines()
    return lines[0][:most] if lines else ""


def retry_after(answer: Answer, now: datetime | None = None) -> float | None:
    """Return the seconds of ``Retry-After``, which may be a number or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
