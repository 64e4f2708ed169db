"""The background task that reads the catalog: what is new in it, and which run made what."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from lakehold.lineage import derive
from lakehold.lineage.catalog import keep, pointers
from lakehold.lineage.catalog.again import PATIENCE, Again
from lakehold.lineage.catalog.described import Described, described
from lakehold.lineage.catalog.files import AwayError, Files, UnreadableError
from lakehold.lineage.catalog.history import History
from lakehold.lineage.catalog.match import Matcher
from lakehold.lineage.catalog.pointers import Name
from lakehold.lineage.catalog.source import Source
from lakehold.lineage.database import connect, lost
from lakehold.lineage.event import storable

log = logging.getLogger(__name__)

Connection = AsyncConnection[TupleRow]

_LOCK = 5_270_005
"""Key of the advisory lock that lets one service of several read the catalog."""
_LOOK_SECONDS = 1.0
_LATER_SECONDS = 5.0
"""How long to wait when the store does not answer, or when something went wrong that nobody thought of."""
_AGAIN_SECONDS = 3.0
"""How often to look for what was lost and can be told again."""
_SAY_SECONDS = 10.0
"""How often to write down that all is well."""
_SHARE = 10
"""Times as long as the last match took there is none."""
_AT_ONCE = 8
_UNREAD_SECONDS = 30.0
"""How long to leave a file alone that could not be read."""
_POSITION = "SELECT position FROM stage WHERE name = 'graph2'"
_STATE = """
INSERT INTO catalog_reading AS c (catalog, read_at, problem, unread)
VALUES (%(catalog)s, CASE WHEN %(problem)s = '' THEN clock_timestamp() END, %(problem)s, %(unread)s)
ON CONFLICT (catalog) DO UPDATE SET read_at = coalesce(excluded.read_at, c.read_at), problem = excluded.problem,
    unread = excluded.unread
"""


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why a metadata file could not be read, and when to try it again."""

    location: str
    why: str
    again_at: float
    away: bool = False


class Reader:
    """Reads one catalog over and over; calls ``told`` when it has told of runs that were lost."""

    def __init__(self, database: str, source: Source, told: Callable[[], None], patience: float = PATIENCE) -> None:
        self._wake = told
        self._again = Again(History(source.trino) if source.trino else None, patience)
        self._database = database
        self._source = source
        self._files: Files | None = None
        self._unread: dict[Name, _Unread] = {}
        self._away = ""
        """Why the object store cannot be asked, and until when it is left alone."""
        self._away_until = 0.0
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
            except Exception as problem:
                if lost(problem):
                    log.info("the catalog's reader waits for PostgreSQL: %s", problem)
                else:
                    # It begins anew, loudly; GET /api/v1/coverage shows how old its picture is.
                    log.exception("what the catalog says cannot be written down")
                    await asyncio.sleep(_LATER_SECONDS)
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
        matcher, matched_at, match_after, told_at = Matcher(), None, 0.0, 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if await self.read(connection):
                matched_at = None
            position = await (await connection.execute(_POSITION)).fetchone()
            # A run explains a snapshot once the graph knows which table it wrote.
            new = position != matched_at
            if (new or matcher.under_way) and clock() >= match_after:
                began = clock()
                await matcher.step(connection, new=new)
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
        gone = [name for name in self._known if name not in found]
        if gone:
            await keep.forget(connection, gone)
            # What a shadow said of a version of a view, its target says again.
            dropped = {*gone, *(name.target for name in gone)}
            self._known = {name: metadata for name, metadata in self._known.items() if name not in dropped}
        now = time.monotonic()
        self._unread = {name: one for name, one in self._unread.items() if found.get(name) == one.location}
        changed = {
            name: location
            for name, location in found.items()
            if self._known.get(name) != location and not (name in self._unread and now < self._unread[name].again_at)
        }
        kept = 0
        if now >= self._away_until:
            kept, self._away = await self._take(connection, changed, set(found), self._known)
            self._away_until = time.monotonic() + _LATER_SECONDS if self._away else 0.0
        await self._state(connection, self._away)
        return kept + len(gone)

    async def _take(
        self, connection: Connection, changed: Mapping[Name, str], found: set[Name], known: dict[Name, str]
    ) -> tuple[int, str]:
        """Read the files of the changed tables, some at a time, and write them down in their order.

        Return how many were, and why the rest must wait, if it must: no file is to be had now.
        """
        if changed and self._files is None:
            self._files = await asyncio.to_thread(Files, self._source.store)
        kept = 0
        # Those that could not be read the last time keep no other waiting.
        names = sorted(changed, key=lambda name: name in self._unread)
        for begin in range(0, len(names), _AT_ONCE):
            some = names[begin : begin + _AT_ONCE]
            read = await asyncio.gather(*(asyncio.to_thread(self._load, changed[name]) for name in some))
            for name, table in zip(some, read, strict=True):
                own = not name.is_shadow or name.target not in found
                unread = table if isinstance(table, _Unread) else None
                if isinstance(table, Described):
                    unread = await self._keep(connection, name, changed[name], table, own=own)
                if unread is not None:
                    self._unread[name] = unread
                else:
                    self._unread.pop(name, None)
                    known[name] = changed[name]
                    kept += 1
            away = [table.why for table in read if isinstance(table, _Unread) and table.away]
            if len(away) == len(some):
                return kept, f"its object store cannot be read: {away[0]}"
        return kept, ""

    async def _keep(
        self, connection: Connection, name: Name, location: str, table: Described, *, own: bool
    ) -> _Unread | None:
        """Write a table down, or say why not: something odd in one keeps no other from being read."""
        try:
            await keep.keep(connection, self._source.name, name, location, table, own=own)
        except psycopg.Error as problem:
            if lost(problem):
                raise
            return self._failed(location, str(problem))
        return None

    def _load(self, location: str) -> Described | _Unread:
        """Return what a metadata file says, or why that cannot be known; in a thread of its own."""
        assert self._files is not None  # noqa: S101 - made before
        try:
            return self._files.read(location, described)
        except (UnreadableError, ValueError) as problem:
            return self._failed(location, str(problem), away=isinstance(problem, AwayError))
        except Exception as problem:
            log.exception("the metadata file %s cannot be read", location)
            return self._failed(location, f"{type(problem).__name__}: {problem}")

    def _failed(self, location: str, why: str, *, away: bool = False) -> _Unread:
        wait = _LATER_SECONDS if away else _UNREAD_SECONDS
        return _Unread(location, storable(why), time.monotonic() + wait, away)

    async def _state(self, connection: Connection, problem: str) -> None:
        unread = {str(name): one.why for name, one in self._unread.items()}
        told = problem or "; ".join(f"{name}: {why}" for name, why in unread.items())
        if told and told != self._told:
            log.warning("the catalog cannot be read as a whole: %s", told)
        now = time.monotonic()
        if told == self._told and now - self._told_at < _SAY_SECONDS:
            return
        self._told, self._told_at = told, now
        values = {"catalog": self._source.name, "problem": storable(problem), "unread": Jsonb(unread)}
        await connection.execute(_STATE, values)
