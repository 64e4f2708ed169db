"""Who may look at the page: links that log in once, and sessions that may ask but not send.

Nobody types the service's token into a browser. ``lakehold lineage page`` makes a link whose fragment (which no browser
sends, so no log has it) is a code; the page trades it for a session. Both are texts signed with a key made from the
token: only which of them were used or ended is remembered, so all end with the process. A new token ends them too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CODE_SECONDS = 300
"""How long a link may wait for its click."""
SESSION_SECONDS = 12 * 3600
"""A working day."""

_CODE = "code"
_SESSION = "session"


def login_code(token: str, now: float | None = None) -> str:
    """Return a code for the link to the page; it is good once, within :data:`CODE_SECONDS`."""
    return _signed(token, _CODE, (time.time() if now is None else now) + CODE_SECONDS)


@dataclass(kw_only=True)
class Sessions:
    """What one process of the service knows about its visitors."""

    token: str = field(repr=False)
    clock: Callable[[], float] = time.time
    _spent: dict[str, float] = field(default_factory=dict, repr=False)
    """Codes that were traded, and sessions that were ended → when they end anyway."""
    _since: int = field(init=False)
    """When the process began, which knows of no code that was traded before."""

    def __post_init__(self) -> None:
        """Begin with no code and no session."""
        self._since = _milliseconds(self.clock())

    def trade(self, code: str) -> str | None:
        """Return a session for a code, the first time it comes; None when it is wrong, old or spent."""
        return self.begin() if self._spend(_CODE, code, CODE_SECONDS) else None

    def begin(self) -> str:
        """Return a new session."""
        return _signed(self.token, _SESSION, self.clock() + SESSION_SECONDS)

    def good(self, session: str) -> bool:
        """Whether this is a session that has not ended."""
        return self._ends(_SESSION, session, SESSION_SECONDS) is not None

    def end(self, session: str) -> bool:
        """End a session; whether there was one."""
        return self._spend(_SESSION, session, SESSION_SECONDS)

    def _spend(self, kind: str, text: str, seconds: int) -> bool:
        ends = self._ends(kind, text, seconds)
        if ends is not None:
            self._spent = {one: until for one, until in self._spent.items() if until > self.clock()} | {text: ends}
        return ends is not None

    def _ends(self, kind: str, text: str, seconds: int) -> float | None:
        """Return when what was signed ends; None when it has, or was made before this process, or is nothing."""
        ends = _signed_end(self.token, kind, text)
        if ends is None or ends - seconds * 1000 < self._since or text in self._spent:
            return None
        return ends / 1000 if ends / 1000 > self.clock() else None


def _signed(token: str, kind: str, ends: float) -> str:
    said = f"{kind}.{_milliseconds(ends)}.{secrets.token_urlsafe(12)}"
    return f"{said}.{_signature(token, said)}"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _signed_end(token: str, kind: str, text: str) -> int | None:
    """Return when a signed text of this kind ends, in milliseconds; None when it is not one."""
    said, _, signature = text.rpartition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(token, said).encode("ascii")):
        return None
    found, _, rest = said.partition(".")
    return int(rest.partition(".")[0]) if found == kind else None


def _signature(token: str, said: str) -> str:
    # Another key than the token itself, so that what is signed here can never be taken for anything else.
    key = hmac.digest(token.encode("utf-8"), b"lakehold lineage page", hashlib.sha256)
    return (
        base64.urlsafe_b64encode(hmac.digest(key, said.encode("utf-8", "replace"), hashlib.sha256)).decode().rstrip("=")
    )
