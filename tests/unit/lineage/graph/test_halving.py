"""A step goes on when something in it cannot be worked in, and stops when PostgreSQL is away."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import psycopg
import pytest
from lakehold.lineage.database import lost, passing
from lakehold.lineage.graph.halving import by_halves
from psycopg import errors


class Connection:
    closed = False


def steps(limit: int, fails: Callable[[int], Exception | None]) -> tuple[list[int], Exception | None]:
    """Return the sizes that were attempted, and what was raised at the end."""
    attempted: list[int] = []

    async def attempt(some: int) -> int:
        attempted.append(some)
        problem = fails(len(attempted))
        if problem is not None:
            raise problem
        return some

    try:
        asyncio.run(by_halves(cast(Any, Connection()), attempt, limit))
    except psycopg.Error as problem:
        return attempted, problem
    return attempted, None


@pytest.mark.parametrize(
    ("problem", "is_lost", "is_passing"),
    [
        (psycopg.OperationalError("the connection is lost"), True, True),
        (psycopg.InterfaceError("the connection is closed"), True, True),
        (errors.AdminShutdown(), True, True),
        (errors.CannotConnectNow(), True, True),
        (errors.ConnectionFailure(), True, True),
        (errors.DiskFull(), True, True),
        (errors.TooManyConnections(), True, True),
        (errors.IoError(), True, True),
        (errors.QueryCanceled(), False, True),
        (errors.DeadlockDetected(), False, True),
        (errors.LockNotAvailable(), False, True),
        (errors.ProgramLimitExceeded(), False, False),
        (errors.StatementTooComplex(), False, False),
        (errors.CardinalityViolation(), False, False),
        (errors.NumericValueOutOfRange(), False, False),
        (ValueError(), False, False),
    ],
)
def test_what_says_that_postgresql_is_away(problem: Exception, is_lost: bool, is_passing: bool) -> None:
    assert (lost(problem), passing(problem)) == (is_lost, is_passing)


def test_what_is_too_odd_is_found_by_halves() -> None:
    attempted, problem = steps(8, lambda _: errors.ProgramLimitExceeded())
    assert attempted == [8, 4, 2, 1]
    assert isinstance(problem, errors.ProgramLimitExceeded)


def test_after_a_deadlock_the_same_is_attempted_again() -> None:
    assert steps(8, lambda number: errors.DeadlockDetected() if number == 1 else None) == ([8, 8], None)


def test_what_is_too_slow_is_attempted_in_parts_and_alone_more_than_once() -> None:
    attempted, problem = steps(4, lambda _: errors.QueryCanceled())
    assert attempted == [4, 4, 2, 1, 1, 1, 1]
    assert isinstance(problem, errors.QueryCanceled)


def test_that_postgresql_is_away_is_told_at_once() -> None:
    attempted, problem = steps(8, lambda _: errors.AdminShutdown())
    assert attempted == [8]
    assert isinstance(problem, errors.AdminShutdown)
