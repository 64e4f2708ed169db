"""Ask the lineage service over HTTP, as the command line does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from lakehold.errors import DataError, LakeholdError, NotRunningError


class UnknownNameError(DataError):
    """The graph has no such table or column."""


def ask(url: str, token: str, list_: str, filters: Mapping[str, str | int]) -> list[dict[str, Any]]:
    """Return the rows of a list (``runs``, ``jobs``, ``datasets``, ``events``, ``rejected``), newest first.

    ``url`` is the service's base address. :class:`NotRunningError` when nothing answers there or PostgreSQL does not,
    :class:`DataError` when the service does not understand a filter.
    """
    rows: list[dict[str, Any]] = question(url, token, list_, filters)[list_]
    return rows


def question(url: str, token: str, path: str, asked: Mapping[str, str | int]) -> dict[str, Any]:
    """Return the service's answer at ``/api/v1/<path>``.

    Errors as of :func:`ask`, and :class:`UnknownNameError` when what is asked about does not exist.
    """
    params = {key: value for key, value in asked.items() if value != ""}
    return _request(url, token, "GET", path, params=params)


def order(url: str, token: str, method: str, path: str, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Have the service do something: send ``wanted`` as JSON to ``/api/v1/<path>``. Errors as of :func:`question`."""
    return _request(url, token, method, path, json=wanted)


def _request(url: str, token: str, method: str, path: str, **parts: Any) -> dict[str, Any]:
    try:
        # The machine's proxy variables are not for a service on loopback.
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {token}"}
            answer = client.request(method, f"/api/v1/{path}", headers=headers, **parts)
    except httpx.TransportError as problem:
        raise NotRunningError(
            f"The lineage service does not answer at {url}.", why=str(problem), remedy="lakehold up"
        ) from None
    if answer.is_success:
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found
    raise _error(answer)


def _error(answer: httpx.Response) -> LakeholdError:
    try:
        reason = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        reason = f"status {answer.status_code}"
    if answer.status_code == 503:
        return NotRunningError("The lineage service cannot answer.", why=reason, remedy="lakehold status; lakehold up")
    if answer.status_code == 401:
        return NotRunningError(
            "The lineage service does not take this installation's token.",
            why="something else answers on its port, or it runs with an older token",
            remedy="lakehold down; lakehold up",
        )
    if answer.status_code == 404 and reason != "status 404":
        remedy = "" if "did you mean" in reason else "lakehold lineage datasets"
        return UnknownNameError(reason if reason.endswith("?") else f"{reason}.", remedy=remedy)
    return DataError("The lineage service refused the question.", why=reason)
