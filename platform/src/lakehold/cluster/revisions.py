"""The revisions of a release, and which of them a rollback goes back to; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakehold.errors import ConfigError

_WORKED = ("deployed", "superseded")


def current(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the newest revision, whether it worked or not."""
    return max(history, key=lambda one: int(one["revision"]))


def before(history: Sequence[Mapping[str, Any]], wanted: int | None) -> Mapping[str, Any]:
    """Return the wanted revision, or the newest before the current one that was once installed completely.

    :class:`ConfigError` lists those that there are.
    """
    now = current(history)
    earlier = [one for one in history if int(one["revision"]) < int(now["revision"])]
    if wanted is None:
        candidates = [one for one in earlier if one["status"] in _WORKED]
    else:
        candidates = [one for one in earlier if int(one["revision"]) == wanted]
    if candidates:
        return max(candidates, key=lambda one: int(one["revision"]))
    there = ", ".join(f"{one['revision']} ({one['chart']}, {one['status']})" for one in earlier) or "none"
    raise ConfigError(
        f"there is no revision {wanted} to go back to." if wanted else "there is nothing to go back to.",
        why=f"now it is {now['revision']}; before it: {there}",
    )
