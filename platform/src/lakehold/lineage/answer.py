"""What every handler of the service answers with: an error with its status, and values as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID


class AnswerError(Exception):
    """A request ends with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def plain(value: Any) -> Any:
    """Return a value of a row as JSON has it: times in UTC with microseconds and Z."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
