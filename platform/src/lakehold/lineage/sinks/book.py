"""The book of a sink: its place in the stream, its letters, and who may write in it; every statement about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.sinks.model import Item, Letter, Reads

_LOCKS = 5_270_010
"""First key of the advisory locks by which one process at a time serves a sink."""
_EVERYTHING = "node:"
"""Where the telling of everything begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Where a sink stands."""

    position: int
    backfill: str | None
    attempts: int
    retry_at: datetime | None


class LostPlaceError(Exception):
    """Somebody else moved the sink's position: this process no longer serves it."""


async def claim(connection: AsyncConnection[TupleRow], name: str) -> bool:
    """Become the one process that serves the sink, for as long as the connection lives."""
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCKS, name))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def ensure(connection: AsyncConnection[TupleRow], name: str, reads: Reads, position: int) -> None:
    """Open a page for a new sink: what is above ``position``, of the graph after everything there is."""
    await connection.execute(
        "INSERT INTO sink (name, reads, position, backfill) VALUES (%s, %s, %s, %s) ON CONFLICT (name) DO NOTHING",
        (name, reads, position, _EVERYTHING if reads == "change" else None),
    )


async def page(connection: AsyncConnection[TupleRow], name: str) -> Page:
    """Read where a sink stands."""
    cursor = await connection.execute(
        "SELECT position, backfill, attempts, retry_at FROM sink WHERE name = %s", (name,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise LostPlaceError(f"the sink {name} was forgotten")
    return Page(position=row[0], backfill=row[1], attempts=row[2], retry_at=row[3])


async def advance(
    connection: AsyncConnection[TupleRow],
    name: str,
    was: Page,
    *,
    position: int,
    backfill: str | None,
    done: Sequence[Item],
    letters: Sequence[Letter],
) -> None:
    """Write that items are done with, with the letters of those that were refused, in one transaction."""
    async with connection.transaction():
        cursor = await connection.execute(
            "UPDATE sink SET position = %s, backfill = %s, delivered = delivered + %s, attempts = 0, retry_at = NULL,"
            " last_error = NULL, last_success = clock_timestamp()"
            " WHERE name = %s AND position = %s AND backfill IS NOT DISTINCT FROM %s",
            (position, backfill, len(done), name, was.position, was.backfill),
        )
        if cursor.rowcount != 1:
            raise LostPlaceError(f"another process has moved the sink {name}")
        refused = {letter.key for letter in letters}
        for letter in letters:
            await connection.execute(
                "INSERT INTO sink_letter (sink, item, reason, body) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (sink, item) DO UPDATE SET reason = excluded.reason, body = excluded.body,"
                " at = excluded.at, asked_at = NULL, replayed_at = NULL",
                (name, letter.key, letter.reason, letter.body),
            )
        # What was refused once and is taken now needs nobody's attention any more.
        await connection.execute(
            "UPDATE sink_letter SET replayed_at = clock_timestamp()"
            " WHERE sink = %s AND replayed_at IS NULL AND item = ANY(%s)",
            (name, [item.key for item in done if item.key not in refused]),
        )


async def fail(connection: AsyncConnection[TupleRow], name: str, reason: str, seconds: float) -> None:
    """Write that an attempt failed and when the next is due."""
    await connection.execute(
        "UPDATE sink SET attempts = attempts + 1, last_error = %s,"
        " retry_at = clock_timestamp() + make_interval(secs => %s) WHERE name = %s",
        (reason, seconds, name),
    )


async def hurry(connection: AsyncConnection[TupleRow], name: str) -> None:
    """Have the next attempt made at once."""
    await connection.execute("UPDATE sink SET retry_at = NULL WHERE name = %s", (name,))


async def begin_again(connection: AsyncConnection[TupleRow], name: str) -> None:
    """Forget what the sink was told; everything there is will be told once more."""
    async with connection.transaction():
        await hurry(connection, name)
        await connection.execute("DELETE FROM sink_sent WHERE sink = %s", (name,))
        await connection.execute(
            "UPDATE sink SET backfill = %s WHERE name = %s AND reads = 'change'", (_EVERYTHING, name)
        )
        await connection.execute("UPDATE sink SET position = 0 WHERE name = %s AND reads = 'event'", (name,))


async def catch_up(connection: AsyncConnection[TupleRow], name: str) -> None:
    """Have a sink told everything when changes it was not told were removed by the retention policy meanwhile."""
    await connection.execute(
        "UPDATE sink SET backfill = %s WHERE name = %s AND reads = 'change' AND backfill IS NULL"
        " AND last_success < clock_timestamp() - interval '1 day'"
        " AND position + 1 < (SELECT min(change_id) FROM change)",
        (_EVERYTHING, name),
    )


async def skipped(connection: AsyncConnection[TupleRow], name: str) -> int:
    """Return how many events, at most, the retention policy has removed before a sink that was away was told them."""
    cursor = await connection.execute(
        "SELECT (SELECT min(event_id) FROM event WHERE event_id > s.position) - s.position - 1 FROM sink s"
        " WHERE name = %s AND reads = 'event' AND last_success < clock_timestamp() - interval '1 day'",
        (name,),
    )
    row = await cursor.fetchone()
    return row[0] or 0 if row else 0


async def asked(connection: AsyncConnection[TupleRow], name: str, most: int = 50) -> list[Item]:
    """Return the letters that somebody wants sent again, the oldest first."""
    cursor = await connection.execute(
        "SELECT item, body FROM sink_letter WHERE sink = %s AND replayed_at IS NULL AND asked_at IS NOT NULL"
        " ORDER BY letter_id LIMIT %s",
        (name, most),
    )
    return [Item(position=0, key=row[0], body=row[1]) for row in await cursor.fetchall()]


async def settle(connection: AsyncConnection[TupleRow], name: str, key: str, reason: str | None) -> None:
    """Write what became of a letter that was sent again: taken, or why it still is one."""
    await connection.execute(
        "UPDATE sink_letter SET asked_at = NULL, reason = coalesce(%(reason)s, reason),"
        " replayed_at = CASE WHEN %(reason)s::text IS NULL THEN clock_timestamp() END"
        " WHERE sink = %(sink)s AND item = %(item)s",
        {"sink": name, "item": key, "reason": reason},
    )
