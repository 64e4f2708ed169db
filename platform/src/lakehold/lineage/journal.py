"""The journal: events are durable in PostgreSQL before their sender is answered.

Commits are grouped: while one is under way, what arrives waits for the next, so the cost of a flush to disk is shared
by all who wait. The same event sent again is stored once, which makes any retry safe, also one after a commit whose
outcome nobody learnt.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.database import connect, passing
from lakehold.lineage.ending import end
from lakehold.lineage.event import Event, Rejected
from lakehold.lineage.rows import insert, insert_rejected

log = logging.getLogger(__name__)

_GROUP_EVENTS = 1000
_GROUP_BYTES = 8 * 1024 * 1024
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
_SLOW_COMMIT_SECONDS = 1.0
_ATTEMPTS = 2
"""A connection may have died while nobody wrote, so what fails on it is tried once more on a new one."""


class UnavailableError(Exception):
    """PostgreSQL did not take the events; the message says why. The sender may send them again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of one request, once it is durable: the events PostgreSQL itself refused, which were kept aside."""

    refused: tuple[tuple[Event, str], ...] = ()


@dataclass(slots=True)
class _Entry:
    events: Sequence[Event]
    rejected: Sequence[Rejected]
    size: int
    answer: asyncio.Future[Receipt]
    attempts: int = 0


class Journal:
    """Appends to the tables ``event`` and ``rejected``; one per process, on one connection."""

    def __init__(self, database: str, *, backlog_bytes: int, committed: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._backlog_bytes = backlog_bytes
        self._committed = committed
        self._waiting: deque[_Entry] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._down = "the service has not reached PostgreSQL yet"
        self._commit_began: float | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def down(self) -> str:
        """Why events cannot be taken now; empty when they can."""
        if self._commit_began is not None:
            seconds = asyncio.get_running_loop().time() - self._commit_began
            if seconds > _SLOW_COMMIT_SECONDS:
                return f"PostgreSQL has not finished a commit for {seconds:.1f} s"
        return self._down

    def start(self) -> None:
        """Begin to connect and to commit, in the background."""
        self._worker = asyncio.create_task(self._run(), name="journal")

    async def stop(self) -> None:
        """Commit what waits, then stop."""
        if self._worker is None:
            return
        while self._waiting and not self.down:
            await asyncio.sleep(0.01)
        await end(self._worker)
        self._fail(len(self._waiting), "the service is stopping")

    async def append(self, events: Sequence[Event], rejected: Sequence[Rejected] = ()) -> Receipt:
        """Store all of this in one transaction and return once it is on disk; :class:`UnavailableError` otherwise."""
        if down := self.down:
            raise UnavailableError(down)
        size = sum(len(event.body) for event in events) + sum(len(item.body) for item in rejected)
        if self._bytes + size > self._backlog_bytes:
            raise UnavailableError("more events wait to be committed than may; send this one again later")
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(events, rejected, size, answer))
        self._bytes += size
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                connection = await connect(self._database, "journal")
            except psycopg.Error as problem:
                self._down = f"PostgreSQL cannot be reached: {_first_line(problem)}"
                self._fail(len(self._waiting), self._down)
                await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1
                continue
            failures, self._down = 0, ""
            log.info("connected to PostgreSQL")
            try:
                await self._serve(connection)
            finally:
                await connection.close()

    async def _serve(self, connection: AsyncConnection[TupleRow]) -> None:
        """Commit group after group until the connection is lost."""
        while not connection.closed:
            await self._arrived.wait()
            self._arrived.clear()
            while not connection.closed and (group := self._group()):
                await self._settle(connection, group)

    async def _settle(self, connection: AsyncConnection[TupleRow], group: Sequence[_Entry]) -> None:
        self._commit_began = asyncio.get_running_loop().time()
        try:
            receipts = await _commit(connection, group)
        except Exception as problem:
            if passing(problem):
                log.warning("a commit failed: %s", _first_line(problem))
                self._give_up(group, f"PostgreSQL did not commit: {_first_line(problem)}")
                return
            log.exception("a group could not be stored")
            self._fail(len(group), f"the service could not store it: {_first_line(problem)}")
            return
        finally:
            self._commit_began = None
        for entry, receipt in zip(group, receipts, strict=True):
            self._take()
            if not entry.answer.done():
                entry.answer.set_result(receipt)
        self._committed()

    def _give_up(self, group: Sequence[_Entry], reason: str) -> None:
        """Answer those whose attempts are used up, which are the oldest; the others stay in the queue."""
        for entry in group:
            entry.attempts += 1
        self._fail(sum(entry.attempts >= _ATTEMPTS for entry in group), reason)
        self._arrived.set()

    def _group(self) -> list[_Entry]:
        """Take the oldest entries that fit one commit; they stay in the queue until they are committed."""
        group: list[_Entry] = []
        count = size = 0
        for entry in self._waiting:
            count, size = count + len(entry.events), size + entry.size
            if group and (count > _GROUP_EVENTS or size > _GROUP_BYTES):
                break
            group.append(entry)
        return group

    def _fail(self, count: int, reason: str) -> None:
        """Answer the oldest ``count`` entries with the reason."""
        for _ in range(count):
            entry = self._take()
            if not entry.answer.done():
                entry.answer.set_exception(UnavailableError(reason))

    def _take(self) -> _Entry:
        entry = self._waiting.popleft()
        self._bytes -= entry.size
        return entry


async def _commit(connection: AsyncConnection[TupleRow], group: Sequence[_Entry]) -> list[Receipt]:
    """Commit a group together or, when PostgreSQL refuses something in it, event by event."""
    events = [event for entry in group for event in entry.events]
    rejected = [item for entry in group for item in entry.rejected]
    try:
        if rejected:
            async with connection.transaction():
                await insert(connection, events)
                await insert_rejected(connection, rejected)
        else:
            await insert(connection, events)
    except psycopg.Error as problem:
        if passing(problem):
            raise
        log.warning("a group was refused, each event is tried alone: %s", _first_line(problem))
        return [await _commit_apart(connection, entry) for entry in group]
    return [Receipt() for _ in group]


async def _commit_apart(connection: AsyncConnection[TupleRow], entry: _Entry) -> Receipt:
    refused = []
    for event in entry.events:
        try:
            await insert(connection, [event])
        except psycopg.Error as problem:
            if passing(problem):
                raise
            reason = f"PostgreSQL refused it: {_first_line(problem)}"
            refused.append((event, reason))
            await insert_rejected(connection, [Rejected(body=event.body.encode("utf-8"), reason=reason)])
    await insert_rejected(connection, entry.rejected)
    return Receipt(refused=tuple(refused))


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]
