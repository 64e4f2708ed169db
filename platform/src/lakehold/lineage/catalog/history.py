"""Trino's memory of its latest queries, asked about those that lineage has lost.

Trino keeps a query for an hour, or longer while there are fewer than a few hundred. What it answers is brought into the
form of its event listener, so that a query told again is read as if it had been heard the first time.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from lakehold.lineage import trino
from lakehold.lineage.catalog.source import Trino
from lakehold.lineage.jsontext import MalformedError

log = logging.getLogger(__name__)

NAMESPACE = "lakehold"
"""The namespace of jobs, as Trino's listener is told it."""
_SECONDS = 5.0
_QUERY = re.compile(r"\d{8}_\d{6}_\d{5}_[a-z0-9]{5}")
"""What Trino calls a query. A snapshot's summary is written by whoever commits it, and may say anything."""
_SILENT = (401, 429, 502, 503, 504)
_REFUSED, _BROKEN = 403, 500


class SilentError(Exception):
    """Trino cannot be asked now; the message says why."""


class LaterError(Exception):
    """This query cannot be told now, others perhaps; the message says why."""


class History:
    """Asks Trino for queries it has run."""

    def __init__(self, known: Trino) -> None:
        self._trino = known

    async def event(self, query: str) -> bytes | None:
        """Return the OpenLineage event of a query that has ended; ``None`` when Trino has none, and never will."""
        if not _QUERY.fullmatch(query):
            return None
        known = self._trino
        try:
            trusted = ssl.create_default_context(cafile=known.ca)
            # The machine's proxy variables are not for a server on loopback.
            async with httpx.AsyncClient(verify=trusted, trust_env=False, timeout=_SECONDS) as client:
                answer = await client.get(
                    f"{known.url}/v1/query/{query}", params={"pruned": "true"}, auth=(known.user, known.password)
                )
        except (httpx.HTTPError, OSError) as problem:
            raise SilentError(f"Trino does not answer: {problem}") from None
        if answer.status_code in _SILENT:
            raise SilentError(f"Trino answers {answer.status_code} to a question about its queries")
        if answer.status_code == _REFUSED or answer.status_code >= _BROKEN:
            raise LaterError(f"Trino answers {answer.status_code}")
        return _told(query, answer.content, known.trusted) if answer.is_success else None


def _told(query: str, content: bytes, trusted: frozenset[str]) -> bytes | None:
    try:
        info = orjson.loads(content)
        ended = info["queryStats"].get("endTime") is not None
        body = trino.run_event(orjson.dumps(completed(info)), NAMESPACE, trusted) if ended else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, MalformedError, KeyError, TypeError, AttributeError):
        log.warning("what Trino says of the query %s cannot be read", query, exc_info=True)
        return None
    if not ended:
        raise LaterError("it has not ended")
    return body


def completed(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of the listener for what ``/v1/query/<id>`` answers (Trino's QueryInfo), once the query is over.

    Which column came from which is left to the statement's text.
    """
    session, statistics = info["session"], info["queryStats"]
    output, version = info.get("output") or {}, info.get("version")
    return {
        "createTime": statistics["createTime"],
        "endTime": statistics["endTime"],
        "context": {
            **{key: session.get(key) for key in ("user", "source", "clientTags", "clientInfo", "catalog", "schema")},
            "queryType": info.get("queryType"),
            "serverVersion": version.get("version") if isinstance(version, dict) else version,
        },
        "metadata": {
            "queryId": info["queryId"],
            "query": info["query"],
            "preparedQuery": info.get("preparedQuery"),
            "queryState": info["state"],
            "uri": info["self"],
            "tables": [
                {**{key: table.get(key) for key in ("catalog", "schema", "table", "directlyReferenced")}, "columns": []}
                for table in info.get("referencedTables") or []
            ],
        },
        "ioMetadata": {
            "inputs": [],
            "output": {**{key: output.get(key) for key in ("catalogName", "schema", "table")}, "columns": []}
            if output
            else None,
        },
    }
