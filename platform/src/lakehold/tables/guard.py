"""Keeps a publication and maintenance off the same schema at the same time, by PostgreSQL's advisory locks.

A clone, a publication and a rollback claim the schemas they change for their transaction; maintenance holds a schema,
with others of its kind, while one action runs. PostgreSQL gives a lock back when its holder's connection ends, so a
process that was killed leaves nothing locked.
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

_POLL_SECONDS = 0.2


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
    for schema in sorted(set(schemas)):
        while not _try(connection, "pg_try_advisory_xact_lock", key("schema", schema)):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
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
