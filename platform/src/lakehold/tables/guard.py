"""Keeps a publication and maintenance off the same schema at the same time, by PostgreSQL's advisory locks.

A clone, a publication and a rollback claim the schemas they change, for their transaction or, on an outside catalog,
while they are at it; maintenance holds a schema, with others of its kind, while one action runs. Who claims waits in
PostgreSQL's queue: maintenance, which never waits, gets the schema no more until the claim has had its turn. PostgreSQL
gives a lock back when its holder's connection ends, so a process that was killed leaves nothing locked.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg.sql
from psycopg.rows import tuple_row


def key(kind: str, name: str) -> int:
    """Return the lock's number: 64 bits, signed, as PostgreSQL takes them."""
    digest = hashlib.sha256(f"lakehold/{kind}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def claim(connection: psycopg.Connection[Any], schemas: Iterable[str], *, wait: float | None = None) -> bool:
    """Take the schemas for the connection's transaction, alone; ``False`` when that took more than ``wait`` seconds.

    ``None`` waits for ever. The locks are taken in one order everywhere, so two claims never wait for each other.
    After ``False`` roll the transaction back: it may hold some of them.
    """
    deadline = None if wait is None else time.monotonic() + wait
    return all(_queue(connection, "pg_advisory_xact_lock", key("schema", one), deadline) for one in _ordered(schemas))


@contextmanager
def claiming(
    connection: psycopg.Connection[Any], schemas: Iterable[str], *, wait: float | None = None
) -> Iterator[bool]:
    """The same for the time of a ``with`` block, and outside of any transaction: it may be long, and PostgreSQL idle.

    ``connection`` is in autocommit mode: the locks belong to its session.
    """
    deadline, taken = None if wait is None else time.monotonic() + wait, []
    try:
        for number in (key("schema", one) for one in _ordered(schemas)):
            if not _queue(connection, "pg_advisory_lock", number, deadline):
                break
            taken.append(number)
        yield len(taken) == len(_ordered(schemas))
    finally:
        if not connection.closed:
            for number in taken:
                connection.execute("SELECT pg_advisory_unlock(%s)", (number,))


def _ordered(schemas: Iterable[str]) -> list[str]:
    return sorted(set(schemas))


def _queue(connection: psycopg.Connection[Any], function: str, number: int, deadline: float | None) -> bool:
    """Take a lock, in the queue of those who want it, until the deadline."""
    left = 0 if deadline is None else max(1, int(1000 * (deadline - time.monotonic())))  # milliseconds; 0 is for ever
    take = psycopg.sql.SQL("SELECT {}(%s)").format(psycopg.sql.Identifier(function))
    with connection.cursor(row_factory=tuple_row) as cursor:
        # Without autocommit this begins the transaction that the lock is for; the one below is a part of it.
        before = cursor.execute("SELECT current_setting('lock_timeout')").fetchone()
        try:
            with connection.transaction():
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", (str(left),))
                cursor.execute(take, (number,))
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", before)
        except psycopg.errors.LockNotAvailable:
            return False
    return True


@contextmanager
def holding(connection: psycopg.Connection[Any], schema: str, table: str) -> Iterator[bool]:
    """Hold a table for maintenance; yields ``False``, at once, when a publication or another maintenance has it.

    ``connection`` is in autocommit mode: the locks belong to its session.
    """
    shared, alone = key("schema", schema), key("table", f"{schema}.{table}")
    if not _try(connection, "pg_try_advisory_lock_shared", shared):
        yield False
        return
    try:
        if not _try(connection, "pg_try_advisory_lock", alone):
            yield False
            return
        try:
            yield True
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (alone,))
    finally:
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", (shared,))


def _try(connection: psycopg.Connection[Any], function: str, number: int) -> bool:
    statement = psycopg.sql.SQL("SELECT {}(%s)").format(psycopg.sql.Identifier(function))
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(statement, (number,)).fetchone()
    return bool(row and row[0])
