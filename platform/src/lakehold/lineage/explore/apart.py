"""Answer questions apart from the receiver: in threads with an event loop and a connection of their own.

Putting a large answer together takes Python a while. In the receiver's own loop every emitter would wait for it; beside
it, the interpreter goes back and forth between the two. A new connection for each question would take longer than most
of the questions do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from starlette.requests import ClientDisconnect

from lakehold.lineage import database
from lakehold.lineage.answer import AnswerError, plain

_AT_ONCE = 2
_WAIT_SECONDS = 10.0

Question = Callable[[AsyncConnection[TupleRow]], Awaitable[dict[str, Any]]]


class _Asker:
    """A connection and the event loop that waits for it, kept from question to question; for one thread at a time."""

    def __init__(self, dsn: str) -> None:
        self._database = dsn
        self._loop = asyncio.new_event_loop()
        self._connection: AsyncConnection[TupleRow] | None = None

    def ask(self, question: Question) -> dict[str, Any]:
        """Return what the database answers; once more when the connection was lost since the last question."""
        return self._loop.run_until_complete(self._ask(question))

    def cancel(self) -> None:
        """Have PostgreSQL give up the question that is under way; from any thread."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(psycopg.Error):  # then it is PostgreSQL that is gone
                connection.cancel()

    def close(self) -> None:
        """End the connection, of which nobody asks anything now."""
        if self._connection is not None:
            self._connection.pgconn.finish()
        self._loop.close()

    async def _ask(self, question: Question) -> dict[str, Any]:
        kept = self._connection
        if kept is not None and not kept.closed:
            try:
                return await question(kept)
            except psycopg.Error as problem:
                if not database.lost(problem):
                    raise
                await kept.close()
        self._connection = connection = await database.connect(self._database, "ask")
        # How many edges a question goes through depends on what is asked of: one plan for all would be a bad one.
        connection.prepare_threshold = None
        return await question(connection)


class Asking:
    """Answers a few questions at a time; the others wait, though not for ever."""

    def __init__(self, dsn: str) -> None:
        self._database = dsn
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ask")
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[_Asker] = []
        self._busy: set[_Asker] = set()
        self._closing = threading.Event()

    async def answer(self, question: Question, gone: Callable[[], Awaitable[bool]]) -> bytes:
        """Return the answer as JSON; :class:`AnswerError` also when it was not this question's turn in time.

        Of who asked and has ``gone`` by then, nothing is asked: :class:`ClientDisconnect`.
        """
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise AnswerError(503, "other questions are being answered; ask again") from None
        if await gone():
            self._turn.release()
            raise ClientDisconnect
        answer = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)
        # The turn ends with the work, whether or not somebody still waits for the answer.
        answer.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(answer)

    def close(self) -> None:
        """Begin no other question, and have PostgreSQL give up those under way."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._idle:
            self._idle.pop().close()
        for asker in self._busy.copy():
            asker.cancel()

    def _answer(self, question: Question) -> bytes:
        with database.answering():
            found = self._ask(question)
        return orjson.dumps(found, default=plain, option=orjson.OPT_PASSTHROUGH_DATETIME)

    def _ask(self, question: Question) -> dict[str, Any]:
        try:
            asker = self._idle.pop()
        except IndexError:
            asker = _Asker(self._database)
        self._busy.add(asker)
        try:
            if self._closing.is_set():
                raise AnswerError(503, "the service is stopping")
            return asker.ask(question)
        finally:
            self._busy.discard(asker)
            if self._closing.is_set():
                asker.close()
            else:
                self._idle.append(asker)
