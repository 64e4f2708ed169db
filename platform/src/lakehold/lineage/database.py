"""How the lineage service connects to PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from lakehold.lineage.answer import AnswerError

LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What says that PostgreSQL, or the connection to it, is not there (rather than that a statement is wrong)."""


def parameters(application: str) -> dict[str, Any]:
    """Return the connection settings of one user of the database.

    A commit must be on disk when it is answered, whatever the server's default says; a statement that hangs is given up
    so that nothing waits behind it for ever.
    """
    return {
        "autocommit": True,
        "connect_timeout": 2,
        "application_name": f"lakehold-lineage-{application}",
        "options": "-c search_path=public -c synchronous_commit=on -c statement_timeout=15s -c timezone=UTC",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }


async def connect(database: str, application: str) -> AsyncConnection[TupleRow]:
    """Open a connection; :class:`psycopg.OperationalError` when there is no PostgreSQL."""
    return await AsyncConnection.connect(database, **parameters(application))


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Make of what PostgreSQL says against a question an :class:`AnswerError`."""
    try:
        yield
    except psycopg.DataError as problem:
        raise AnswerError(400, str(problem).splitlines()[0]) from None
    except (*LOST, PoolTimeout, psycopg.errors.UndefinedTable) as problem:
        raise AnswerError(503, f"PostgreSQL cannot answer: {problem}") from None
