"""Answer questions apart from the receiver: in threads with an event loop and a connection of their own.

Putting a large answer together takes Python a while. In the receiver's own loop every emitter would wait for it; beside
it, the interpreter goes back and forth between the two.
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


class Asking:
    """Answers a few questions at a time; the others wait, though not for ever."""

    def __init__(self, dsn: str) -> None:
        self._database = dsn
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ask")
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._open: set[AsyncConnection[TupleRow]] = set()
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
        for connection in self._open.copy():
            with contextlib.suppress(psycopg.Error):  # then it is PostgreSQL that is gone
                connection.cancel()

    def _answer(self, question: Question) -> bytes:
        return asyncio.run(self._ask(question))

    async def _ask(self, question: Question) -> bytes:
        with database.answering():
            async with await database.connect(self._database, "ask") as connection:
                self._open.add(connection)
                try:
                    if self._closing.is_set():
                        raise AnswerError(503, "the service is stopping")
                    found = await question(connection)
                finally:
                    self._open.discard(connection)
        return orjson.dumps(found, default=plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
