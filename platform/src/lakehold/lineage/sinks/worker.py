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

from lakehold.lineage.database import LOST, connect
from lakehold.lineage.sinks import book, feed
from lakehold.lineage.sinks.answers import FailedError
from lakehold.lineage.sinks.model import Delivery, EmptiedError, Item, Letter, Sink, UnavailableError

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

    def __init__(self, database: str, sink: Sink) -> None:
        self._database = database
        self._sink = sink
        self._looked = float("-inf")

    async def run(self) -> None:
        """Work until cancelled; outlives PostgreSQL and whatever the other side does."""
        name = self._sink.name
        try:
            while True:
                try:
                    async with await connect(self._database, f"sink-{name}") as connection:
                        await self._serve(connection)
                except LOST as problem:
                    log.info("sink %s waits for PostgreSQL: %s", name, problem)
                    await asyncio.sleep(1.0)
                except book.LostPlaceError as problem:
                    log.info("sink %s: %s", name, problem)
                    await asyncio.sleep(_CLAIM_SECONDS)
                except Exception:
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
        await book.ensure(connection, name, self._sink.reads)
        self._looked = float("-inf")
        while True:
            page = await book.page(connection, name)
            if (seconds := _left(page.retry_at)) > 0:
                # In short steps, since somebody who mended the cause may ask for an attempt at once.
                await asyncio.sleep(min(seconds, _POLL_SECONDS))
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
            except (*LOST, book.LostPlaceError):
                raise
            except Exception as problem:
                # A mistake of ours, or of who answers: it is on record where the sink stands, and tried again.
                log.exception("sink %s stays where it is", name)
                await self._wait(connection, page, UnavailableError(f"{type(problem).__name__}: {problem}"))
                continue
            if not busy:
                await asyncio.sleep(_POLL_SECONDS)

    async def _turn(self, connection: AsyncConnection[TupleRow], page: book.Page) -> bool:
        """Do the next thing; return whether there was any."""
        if await self._look(connection):
            return True
        letters = await book.asked(connection, self._sink.name)
        if letters:
            delivery = await self._sink.deliver(connection, letters)
            await book.settle(connection, self._sink.name, letters[: delivery.done], delivery.letters)
            if isinstance(delivery.problem, FailedError):
                # What it still breaks over stays a letter, and does not keep everything else waiting.
                left, reason = letters[delivery.done :], str(delivery.problem)
                stuck = [Letter(key=item.key, reason=reason, body=item.body) for item in left]
                await book.settle(connection, self._sink.name, left, stuck)
            await self._after(connection, page, delivery)
            return True
        window, backfill = await self._next(connection, page)
        if not window:
            if page.backfill is not None:
                await self._advance(connection, page, [], None, Delivery(done=0))
            return page.backfill is not None
        delivery = await self._sink.deliver(connection, window)
        done = window[: delivery.done]
        whole = len(done) == len(window)
        if done and (whole or page.backfill is None):
            await self._advance(connection, page, done, backfill if whole else page.backfill, delivery)
        await self._after(connection, page, delivery)
        return True

    async def _look(self, connection: AsyncConnection[TupleRow]) -> bool:
        """See now and then that the sink is as it was left; return whether that was done."""
        now = asyncio.get_running_loop().time()
        if due := now - self._looked >= _LOOK_SECONDS:
            await self._sink.look(connection)
            await book.catch_up(connection, self._sink.name)
            self._looked = now
        return due

    async def _next(self, connection: AsyncConnection[TupleRow], page: book.Page) -> tuple[list[Item], str | None]:
        if self._sink.reads == "event":
            return await feed.events(connection, page.position), None
        if page.backfill is not None:
            return await feed.everything(connection, page.position, page.backfill)
        return await feed.changes(connection, page.position), None

    async def _advance(
        self,
        connection: AsyncConnection[TupleRow],
        page: book.Page,
        done: list[Item],
        backfill: str | None,
        delivery: Delivery,
    ) -> None:
        await book.advance(
            connection,
            self._sink.name,
            page,
            position=done[-1].position if done else page.position,
            backfill=backfill,
            done=done,
            letters=delivery.letters,
        )
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
        await book.fail(connection, self._sink.name, str(problem), seconds)


def _left(moment: datetime | None) -> float:
    return 0.0 if moment is None else (moment - datetime.now(UTC)).total_seconds()
