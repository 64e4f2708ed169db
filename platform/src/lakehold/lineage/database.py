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

_AWAY = ("08", "57P", "53100", "53200", "53300", "58")
"""Classes of errors, and errors: no connection, shutting down or starting, no disk, memory or connection left."""
_PASSING = ("40", "55", "57014")
"""Deadlocks, locks that were not to be had, and statements that took too long."""


def lost(problem: BaseException) -> bool:
    """Say whether PostgreSQL or the connection is away, rather than one statement wrong, too large or too slow."""
    if isinstance(problem, psycopg.InterfaceError):
        return True
    if not isinstance(problem, psycopg.OperationalError):
        return False
    return problem.sqlstate is None or problem.sqlstate.startswith(_AWAY)


def passing(problem: BaseException) -> bool:
    """Say whether the same may succeed later: PostgreSQL is away, or others were in the way."""
    state = problem.sqlstate if isinstance(problem, psycopg.Error) else None
    return lost(problem) or (state is not None and state.startswith(_PASSING))


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
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, psycopg.errors.UndefinedTable) as problem:
        raise AnswerError(503, f"PostgreSQL cannot answer: {problem}") from None
