"""The background task that reads the catalog: what is new in it, what events say of it, which run made what."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from lakehold.lineage import derive
from lakehold.lineage.catalog import clues, keep, pointers
from lakehold.lineage.catalog.again import PATIENCE, Again
from lakehold.lineage.catalog.described import Described, described
from lakehold.lineage.catalog.files import Files, UnreadableError
from lakehold.lineage.catalog.history import History
from lakehold.lineage.catalog.match import match
from lakehold.lineage.catalog.pointers import Name
from lakehold.lineage.catalog.source import Source
from lakehold.lineage.database import LOST, connect

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_LOCK = 5_270_005
"""Key of the advisory lock that lets one service of several read the catalog."""
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 3.0
"""How often to look for what was lost and can be told again."""
_SAY_SECONDS = 10.0
"""How often to write down that all is well."""
_SHARE = 10
"""Times as long as the last match took there is none."""
_AT_ONCE = 8
_POSITION = "SELECT sum(position) FROM stage WHERE name IN ('graph', 'graph2', 'catalog')"
_STATE = """
INSERT INTO catalog_reading AS c (catalog, read_at, problem, unread)
VALUES (%(catalog)s, CASE WHEN %(problem)s = '' THEN clock_timestamp() END, %(problem)s, %(unread)s)
ON CONFLICT (catalog) DO UPDATE SET read_at = coalesce(excluded.read_at, c.read_at), problem = excluded.problem,
    unread = excluded.unread
"""


class Reader:
    """Reads one catalog over and over; calls ``told`` when it has told of runs that were lost."""

    def __init__(self, database: str, source: Source, told: Callable[[], None], patience: float = PATIENCE) -> None:
        self._wake = told
        self._again = Again(History(source.trino) if source.trino else None, patience)
        self._database = database
        self._source = source
        self._files: Files | None = None
        self._unread: dict[str, str] = {}
        self._known: dict[Name, str] | None = None
        """What is written down, while this process is the one that writes it."""
        self._told = ""
        self._told_at = 0.0
        self._catalog: Connection | None = None

    async def run(self) -> None:
        """Work until cancelled; outlives PostgreSQL and the object store."""
        while True:
            try:
                async with await connect(self._database, "catalog") as connection:
                    await self._serve(connection)
            except LOST as problem:
                log.info("the catalog's reader waits for PostgreSQL: %s", problem)
            except psycopg.Error:
                # It stays where it is, loudly, and tries again; GET /api/v1/coverage shows how old its picture is.
                log.exception("what the catalog says cannot be written down")
            finally:
                if self._catalog is not None:
                    await self._catalog.close()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _serve(self, connection: Connection) -> None:
        while True:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
            if row and row[0]:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self._known = None
        matched_at, match_after, told_at = None, 0.0, 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if await self.read(connection):
                matched_at = None
            await self._events(connection)
            position = await (await connection.execute(_POSITION)).fetchone()
            # A run explains a snapshot once the graph knows which table it wrote.
            if position != matched_at and clock() >= match_after:
                began = clock()
                await match(connection)
                # Where very much is unexplained, looking for it is not what the database is for.
                matched_at, match_after = position, clock() + _SHARE * (clock() - began)
            if clock() - told_at >= _AGAIN_SECONDS:
                if await self._again.step(connection):
                    # The stages behind the receiver look for themselves, but not at once.
                    await derive.step(connection)
                    self._wake()
                told_at = clock()
            await asyncio.sleep(_LOOK_SECONDS)

    async def read(self, connection: Connection) -> int:
        """Take in what has changed in the catalog since the last time; return how many tables."""
        try:
            if self._catalog is None or self._catalog.closed:
                self._catalog = await connect(self._source.database, "catalog-read")
            found = await pointers.read(self._catalog, self._source.name)
        except psycopg.Error as problem:
            await self._state(connection, f"its database cannot be read: {str(problem).strip()}")
            return 0
        if self._known is None:
            cursor = await connection.execute("SELECT name, metadata FROM catalog_entry")
            self._known = {Name(*name.rsplit(".", 1)): metadata for name, metadata in await cursor.fetchall()}
        changed = {name: location for name, location in found.items() if self._known.get(name) != location}
        gone = [name for name in self._known if name not in found]
        if gone:
            await keep.forget(connection, gone)
            self._known = {name: metadata for name, metadata in self._known.items() if name in found}
        self._unread = {}
        await self._take(connection, changed, set(found), self._known)
        await self._state(connection, "")
        return len(changed) + len(gone)

    async def _take(
        self, connection: Connection, changed: Mapping[Name, str], found: set[Name], known: dict[Name, str]
    ) -> None:
        """Read the files of the changed tables, some at a time, and write them down in their order."""
        names = list(changed)
        for begin in range(0, len(names), _AT_ONCE):
            some = names[begin : begin + _AT_ONCE]
            read = await asyncio.gather(*(asyncio.to_thread(self._load, changed[name]) for name in some))
            for name, table in zip(some, read, strict=True):
                if isinstance(table, str):
                    self._unread[str(name)] = table
                    continue
                own = not name.is_shadow or name.target not in found
                try:
                    await keep.keep(connection, self._source.name, name, changed[name], table, own=own)
                    known[name] = changed[name]
                except psycopg.DataError as problem:
                    # Something nobody thought of in one table keeps no other from being read.
                    self._unread[str(name)] = str(problem)

    def _load(self, location: str) -> Described | str:
        """Return what a metadata file says, or why that cannot be known; in a thread of its own."""
        if self._files is None:
            self._files = Files(self._source.store)
        try:
            return described(self._files.read(location))
        except (UnreadableError, ValueError) as problem:
            return str(problem)

    async def _events(self, connection: Connection) -> None:
        while await clues.step(connection):
            await asyncio.sleep(0)

    async def _state(self, connection: Connection, problem: str) -> None:
        told = problem or "; ".join(f"{name}: {why}" for name, why in self._unread.items())
        if told and told != self._told:
            log.warning("the catalog cannot be read as a whole: %s", told)
        now = time.monotonic()
        if told == self._told and now - self._told_at < _SAY_SECONDS:
            return
        self._told, self._told_at = told, now
        values = {"catalog": self._source.name, "problem": problem, "unread": Jsonb(self._unread)}
        await connection.execute(_STATE, values)
