"""What a question asks, read from its parameters; what means nothing is refused with what would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import cast, get_args

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore.walk import Bounds, Sides, Which

NOW = datetime.max.replace(tzinfo=UTC)
"""The time that edges are asked for by default: what has not ended. Events of a clock that runs ahead are in it."""
MOST_DEPTH = 20
MOST_EDGES = 10_000
MOST_FAN = 1000


class Asked:
    """The parameters of one question."""

    def __init__(self, given: Mapping[str, str], known: set[str]) -> None:
        self._given = given
        if unknown := sorted(given.keys() - known):
            raise AnswerError(400, f"{unknown[0]} is no parameter of this; it knows {', '.join(sorted(known))}")

    def text(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self._given.get(name, "").strip()
        if not value:
            raise AnswerError(400, f"{name} is missing")
        return value

    def optional(self, name: str) -> str:
        """Return a parameter that may be missing: empty then."""
        return self._given.get(name, "").strip()

    def number(self, name: str, default: int, most: int) -> int:
        """Return a number from 1 to ``most``."""
        text = self._given.get(name) or str(default)
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
            raise AnswerError(400, f"{name} must be a number from 1 to {most}")
        return int(text)

    def bounds(self) -> Bounds:
        """Return how far to look: ``direction``, ``depth``, ``edges``, ``limit`` and, where it is known, ``fan``."""
        return Bounds(
            direction=cast(Sides, self._one_of("direction", get_args(Sides), "both")),
            depth=self.number("depth", 3, MOST_DEPTH),
            which=cast(Which, self._one_of("edges", get_args(Which), "all")),
            most=self.number("limit", 2000, MOST_EDGES),
            fan=self.number("fan", 1, MOST_FAN) if self.optional("fan") else None,
        )

    def moment(self, name: str) -> datetime:
        """Return a time; a date alone is its end, and nothing at all is now."""
        return moment(self._given.get(name, "").strip(), name)

    def _one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self._given.get(name) or default
        if value not in choices:
            raise AnswerError(400, f"{name} must be one of {', '.join(choices)}")
        return value


def moment(text: str, name: str) -> datetime:
    """Return a time written in ISO 8601; a date alone is its end in UTC, a time without an offset is in UTC."""
    if not text:
        return NOW
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
        # A plus sign that was not escaped arrives as a space.
        value = datetime.fromisoformat(text.replace(" ", "T", 1) if text[10:11] == " " else text.replace(" ", "+"))
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise AnswerError(400, f"{name} must be a date or a time such as 2013-01-31 or 2013-01-31T08:30:00Z") from None
