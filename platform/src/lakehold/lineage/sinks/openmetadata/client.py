"""Talk to an OpenMetadata: send a payload, and tell what its answer means.

Its answers have habits (seen with a live 1.2): a wrong path, method or content type is a 500 with the real status in
its text; writing the same new entity at the same time is a 409; while it shuts down it answers 503 without a body; a
missing or expired token is a 401, a bot without a role a 403, a token of a user who is gone a 404, one signed with an
unknown key a 500.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import orjson

from lakehold.lineage.sinks.answers import Answer, FailedError, judge, say
from lakehold.lineage.sinks.caller import Caller
from lakehold.lineage.sinks.model import RefusedError, UnavailableError
from lakehold.lineage.sinks.settings import Endpoint

CONNECTIONS = 4
_CONFLICTS = 5
"""Times an upsert that met another one is tried again at once."""
_ROUTER = re.compile(r"HTTP (404|405|415) ")
_NO_USER = re.compile(r"user instance for .* not found", re.IGNORECASE)
_LOGIN = ("keyID doesn't match",)


class MissingError(RefusedError):
    """Something the request names is not there: a table, a schema, an id."""


class ExistsError(RefusedError):
    """What the request makes is there already."""


class Client:
    """One server, by its REST interface. Every method raises what :mod:`lakehold.lineage.sinks.model` names."""

    def __init__(self, endpoint: Endpoint, *, seconds: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json"}
        endpoint = replace(endpoint, url=f"{endpoint.url.removesuffix('/api')}/api/v1")
        self._caller = Caller(endpoint, headers, seconds=seconds, connections=CONNECTIONS)

    async def close(self) -> None:
        """Let go of the connections."""
        self._caller.close()

    async def get(self, path: str) -> dict[str, Any]:
        """Read; :class:`MissingError` when it is not there."""
        return await self._ask("GET", path, None)

    async def put(self, path: str, payload: Any, *, conflicts: int = _CONFLICTS) -> dict[str, Any]:
        """Make or change; the same twice is the same once. A 409 is tried again so many times."""
        for attempt in range(conflicts):
            try:
                return await self._ask("PUT", path, payload)
            except ExistsError:
                await asyncio.sleep(0.05 * 2**attempt)
        return await self._ask("PUT", path, payload)

    async def post(self, path: str, payload: Any) -> dict[str, Any]:
        """Make; :class:`ExistsError` when it is there, which after a lost answer may be our own doing."""
        return await self._ask("POST", path, payload)

    async def delete(self, path: str) -> None:
        """Remove; :class:`MissingError` when it is gone already."""
        await self._ask("DELETE", path, None)

    async def _ask(self, method: str, path: str, payload: Any) -> dict[str, Any]:
        answer = await self._caller.request(method, path, None if payload is None else orjson.dumps(payload))
        try:
            _judge(answer, path)
        except RefusedError as problem:
            problem.sent = orjson.dumps({"request": f"{method} {path}", "payload": payload}).decode()
            raise
        try:
            value = orjson.loads(answer.content or b"{}")
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            # What answers so is a proxy's login page or the like, not OpenMetadata's interface.
            raise UnavailableError(f"{answer.status} with what OpenMetadata does not say: {say(answer)}")
        return value


def id_of(answer: dict[str, Any]) -> str:
    """Return the id of what was read or made; :class:`UnavailableError` when there is none."""
    if not isinstance(answer.get("id"), str) or not answer["id"]:
        raise UnavailableError("an answer without an id: this is no OpenMetadata")
    return str(answer["id"])


def _judge(answer: Answer, path: str) -> None:
    reason = f"{answer.status} {say(answer)}"
    if answer.status == 404:
        if _NO_USER.search(reason) and not path.startswith("/users/"):
            raise UnavailableError(f"it does not know the token's user: {reason}", retry_after=30.0)
        raise MissingError(reason)
    if answer.status == 405 and path.startswith("/dataQuality/"):
        # Elsewhere a setting is wrong; what else we ask for every version has.
        raise RefusedError(f"{reason} (this version has no such request)")
    if answer.status == 409:
        raise ExistsError(reason)
    if answer.status == 500:
        if _ROUTER.search(reason):
            raise RefusedError(f"{reason} (this version has no such request)")
        if any(sign in reason for sign in _LOGIN):
            raise UnavailableError(f"it does not take the token: {reason}", retry_after=30.0)
        raise FailedError(reason)
    judge(answer)
