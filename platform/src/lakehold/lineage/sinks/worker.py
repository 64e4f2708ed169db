"""Drive a sink: read what it has not been told, tell it, write down how far it came; wait and try again when it cannot.

The position moves only after the other side has taken what lies below it, so nothing is lost whoever is killed; what
was told but not yet written down is told twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import connect, lost
from lakehold.lineage.sinks import book, feed
from lakehold.lineage.sinks.answers import FailedError
from lakehold.lineage.sinks.model import Delivery, EmptiedError, Item, Sink, UnavailableError

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_CLAIM_SECONDS = 2.0
_LOOK_SECONDS = 120.0
"""How often an idle sink is looked at, to see that it still has what it was told."""
_FIRST_SECONDS = 0.5
_MOST_SECONDS = 30.0


def pause(attempts: int, retry_after: float | None, chance: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after so many failed attempts: twice as long each time, spread by a quarter.

    What the other side asks for is kept, within five minutes.
    """
    if retry_after is not None:
        return min(max(retry_after, _FIRST_SECONDS), 300.0)
    return float(min(_FIRST_SECONDS * 2 ** min(attempts, 10), _MOST_SECONDS) * (0.75 + 0.5 * chance()))


class Worker:
    """Serves one sink, in one process at a time."""

    def __init__(self, database: str, sink: Sink, *, poll: float = _POLL_SECONDS) -> None:
        self._database = database
        self._sink = sink
        self._poll = poll
        self._looked = float("-inf")
        self._place: tuple[int, str | None] | None = None
        """Where this process left the sink."""
        self._lettered = False
        """Whether letters had their turn: then the stream has the next, so that neither waits for ever."""
        self._skipped = 0
        self._most = feed.MOST_ITEMS
        """Changes to tell at once: all of them are told or none, so half as many after a failure."""

    async def run(self) -> None:
        """Work until cancelled; outlives PostgreSQL and whatever the other side does."""
        name = self._sink.name
        try:
            while True:
                try:
                    async with await connect(self._database, f"sink-{name}") as connection:
                        await self._serve(connection)
                except book.LostPlaceError as problem:
                    log.info("sink %s: %s", name, problem)
                    await asyncio.sleep(_CLAIM_SECONDS)
                except Exception as problem:
                    if lost(problem):
                        log.info("sink %s waits for PostgreSQL: %s", name, problem)
                        await asyncio.sleep(1.0)
                        continue
                    # A mistake of ours must not end the sink without a word: it stays where it is, loudly.
                    log.exception("sink %s stays where it is", name)
                    await asyncio.sleep(5.0)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self._sink.close()

    async def _serve(self, connection: AsyncConnection[TupleRow]) -> None:
        name = self._sink.name
        while not await book.claim(connection, name):
            await asyncio.sleep(_CLAIM_SECONDS)
        await self._begin(connection)
        self._looked = float("-inf")
        while True:
            page = await book.page(connection, name)
            if self._place not in {None, (page.position, page.backfill)}:
                self._sink.forget()
            self._place = (page.position, page.backfill)
            if (seconds := _left(page.retry_at)) > 0:
                # In short steps, since somebody who mended the cause may ask for an attempt at once.
                await asyncio.sleep(min(seconds, self._poll))
                continue
            try:
                busy = await self._turn(connection, page)
            except EmptiedError as problem:
                log.warning("sink %s is told everything again: %s", name, problem)
                await book.begin_again(connection, name)
                continue
            except UnavailableError as problem:
                await self._wait(connection, page, problem)
                continue
            except Exception as problem:
                cause = _first(problem)
                if isinstance(cause, book.LostPlaceError) or lost(cause):
                    raise cause from None
                # A mistake of ours, or of who answers: it is on record where the sink stands, and tried again.
                log.exception("sink %s stays where it is", name)
                await self._wait(connection, page, UnavailableError(f"{type(cause).__name__}: {cause}"))
                continue
            if not busy:
                await asyncio.sleep(self._poll)

    async def _begin(self, connection: AsyncConnection[TupleRow]) -> None:
        """Open a page for a sink that is new."""
        settled: int | None = None if self._sink.reads == "change" else 0
        while settled is None:
            settled = await feed.settled(connection)
            await asyncio.sleep(0 if settled is not None else self._poll)
        await book.ensure(connection, self._sink.name, self._sink.reads, settled)

    async def _turn(self, connection: AsyncConnection[TupleRow], page: book.Page) -> bool:
        """Do the next thing; return whether there was any."""
        if await self._look(connection):
            return True
        letters = [] if self._lettered else await book.asked(connection, self._sink.name)
        self._lettered = bool(letters)
        if letters:
            await self._again(connection, page, letters)
            return True
        window, backfill = await self._next(connection, page)
        if not window:
            if page.backfill is not None:
                await self._advance(connection, page, [], None, Delivery(done=0))
            return page.backfill is not None
        delivery = await self._sink.deliver(connection, window)
        done = window[: delivery.done]
        whole = len(done) == len(window)
        if whole:
            self._most = min(2 * self._most, feed.MOST_ITEMS)
        if done and (whole or page.backfill is None):
            await self._advance(connection, page, done, backfill if whole else page.backfill, delivery)
        await self._after(connection, page, delivery)
        return True

    async def _again(self, connection: AsyncConnection[TupleRow], page: book.Page, letters: list[Item]) -> None:
        """Send letters again, each once; the first that does not get through ends the turn, so the stream goes on."""
        for letter in letters:
            delivery = await self._sink.deliver(connection, [letter], again=True)
            reasons = [one.reason for one in delivery.letters if one.key == letter.key]
            reasons += [str(delivery.problem)] if delivery.done == 0 else []
            await book.settle(connection, self._sink.name, letter.key, reasons[0] if reasons else None)
            if delivery.problem is not None:
                if not isinstance(delivery.problem, FailedError):
                    await self._after(connection, page, delivery)
                return

    async def _look(self, connection: AsyncConnection[TupleRow]) -> bool:
        """See now and then that the sink is as it was left; return whether that was done."""
        now = asyncio.get_running_loop().time()
        if due := now - self._looked >= _LOOK_SECONDS:
            await self._sink.look(connection)
            await book.catch_up(connection, self._sink.name)
            await self._count_skipped(connection)
            self._looked = now
        return due

    async def _count_skipped(self, connection: AsyncConnection[TupleRow]) -> None:
        skipped = await book.skipped(connection, self._sink.name)
        if skipped > self._skipped:
            log.error(
                "sink %s was away so long that up to %d events it was not told are no longer kept",
                self._sink.name, skipped,
            )  # fmt: skip
        self._skipped = skipped

    async def _next(self, connection: AsyncConnection[TupleRow], page: book.Page) -> tuple[list[Item], str | None]:
        if self._sink.reads == "event":
            return await feed.events(connection, page.position), None
        if page.backfill is not None:
            return await feed.everything(connection, page.position, page.backfill, self._most)
        return await feed.changes(connection, page.position, self._most), None

    async def _advance(
        self,
        connection: AsyncConnection[TupleRow],
        page: book.Page,
        done: list[Item],
        backfill: str | None,
        delivery: Delivery,
    ) -> None:
        position = done[-1].position if done else page.position
        await book.advance(
            connection,
            self._sink.name,
            page,
            position=position,
            backfill=backfill,
            done=done,
            letters=delivery.letters,
        )
        self._place = (position, backfill)
        for letter in delivery.letters:
            log.warning("sink %s refused %s: %s", self._sink.name, letter.key, letter.reason)

    async def _after(self, connection: AsyncConnection[TupleRow], page: book.Page, delivery: Delivery) -> None:
        if delivery.problem is not None:
            # What was taken meanwhile shows that the other side is there: the pause begins small again.
            attempts = 0 if delivery.done else page.attempts
            await self._wait(connection, page, delivery.problem, attempts)

    async def _wait(
        self,
        connection: AsyncConnection[TupleRow],
        page: book.Page,
        problem: UnavailableError,
        attempts: int | None = None,
    ) -> None:
        seconds = pause(page.attempts if attempts is None else attempts, problem.retry_after)
        log.log(
            logging.WARNING if page.attempts == 0 else logging.DEBUG,
            "sink %s cannot take more now, next attempt in %.1f s: %s", self._sink.name, seconds, problem,
        )  # fmt: skip
        self._looked = float("-inf")
        self._most = max(self._most // 2, 1)
        await book.fail(connection, self._sink.name, str(problem), seconds)


def _first(problem: Exception) -> Exception:
    """Return what went wrong, out of the groups it is reported in."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def _left(moment: datetime | None) -> float:
    return 0.0 if moment is None else (moment - datetime.now(UTC)).total_seconds()
