"""What a sink is: something that is told items in order, and what can come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

Reads = Literal["event", "change"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing to tell: an event with its body, or the name of something in the graph that became different."""

    position: int
    """Its event_id or change_id."""
    key: str
    """``event:7``; ``node:3``, ``edge:3:4``, ``run:<id>``, ``quality:<run id>``."""
    body: str = ""
    order: tuple[str, ...] = ()
    """Items that share one of these must arrive in the order they are in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """An item that was refused for good."""

    key: str
    reason: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What became of a window of items: how many from its beginning are done with, and what was refused of those."""

    done: int
    letters: Sequence[Letter] = ()
    problem: UnavailableError | None = None
    """Why the rest was not taken yet."""


class UnavailableError(Exception):
    """The other side cannot take anything now; nothing is wrong with what it was told."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds it asked to be left alone for."""


class RefusedError(Exception):
    """The other side will never take this as it is; the message says what it answered."""

    sent: str = ""
    """What it was sent, as text, where the item itself does not say."""


class EmptiedError(Exception):
    """The other side no longer has what it was told: everything must be told again."""


class Sink(Protocol):
    """Somebody who is told. One worker drives it, from one task."""

    @property
    def name(self) -> str:
        """Its name, in tables, metrics and on the command line."""

    @property
    def reads(self) -> Reads:
        """What it is told: events as they came, or what changed in the graph."""

    async def look(self, connection: AsyncConnection[TupleRow], /) -> None:
        """See whether it is as it was left; raise :class:`UnavailableError` or :class:`EmptiedError`."""

    async def deliver(
        self, connection: AsyncConnection[TupleRow], window: Sequence[Item], /, *, again: bool = False
    ) -> Delivery:
        """Tell it these; raise :class:`EmptiedError` when it turns out to have lost what it was told before.

        With ``again`` they are letters that somebody wants sent again: one attempt says whether they stay letters.
        """

    def forget(self) -> None:
        """Forget what this process told it: everything is told from the beginning."""

    async def close(self) -> None:
        """Let go of connections."""
