"""Trino's memory of its latest queries, asked about those that lineage has lost.

Trino keeps a query for an hour, or longer while there are fewer than a few hundred. What it answers is brought into the
form of its event listener, so that a query told again is read as if it had been heard the first time.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from lakehold.lineage import trino
from lakehold.lineage.catalog.source import Trino
from lakehold.lineage.jsontext import MalformedError

NAMESPACE = "lakehold"
"""The namespace of jobs, as Trino's listener is told it."""
_SECONDS = 5.0
_FORGOTTEN = (404, 410)


class SilentError(Exception):
    """Trino cannot be asked now; the message says why."""


class History:
    """Asks Trino for queries it has run."""

    def __init__(self, known: Trino) -> None:
        self._trino = known

    async def event(self, query: str) -> bytes | None:
        """Return the OpenLineage event of a query that has ended; ``None`` when Trino knows it no more."""
        known = self._trino
        try:
            trusted = ssl.create_default_context(cafile=known.ca)
            # The machine's proxy variables are not for a server on loopback.
            async with httpx.AsyncClient(verify=trusted, trust_env=False, timeout=_SECONDS) as client:
                answer = await client.get(
                    f"{known.url}/v1/query/{query}", params={"pruned": "true"}, auth=(known.user, known.password)
                )
            if answer.status_code in _FORGOTTEN:
                return None
            if answer.is_error:
                raise SilentError(f"Trino answers {answer.status_code} to a question about its queries")
            info = orjson.loads(answer.content)
            # One that has not ended will be heard when it does.
            ended = info["queryStats"].get("endTime") is not None
            return trino.run_event(orjson.dumps(completed(info)), NAMESPACE, known.trusted) if ended else None
        except (httpx.HTTPError, OSError) as problem:
            raise SilentError(f"Trino does not answer: {problem}") from None
        except (orjson.JSONDecodeError, MalformedError, KeyError, TypeError, AttributeError) as problem:
            raise SilentError(f"Trino's answer about query {query} cannot be read: {problem!r}") from None


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
