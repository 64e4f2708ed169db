"""Turns errors of libraries into ours, so that a program ends with a message and maintenance goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from lakehold.errors import BusyError, LakeholdError, NotRunningError, RunFailedError


def by_database(error: psycopg.Error) -> LakeholdError:
    """Return our error for one of PostgreSQL's; the transaction it ended has changed nothing."""
    why = str(error).strip()
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return BusyError(
            "somebody else is at work on these tables, and nothing was done.", why=why, remedy="try again in a minute"
        )
    if isinstance(error, psycopg.OperationalError):
        return NotRunningError(
            "the catalog's database went away.", why=why, remedy="lakehold up, then give the command again"
        )
    return LakeholdError(
        "the catalog's database refused it, and nothing was done.", why=why, remedy="give the command again"
    )


@contextmanager
def by_pyiceberg() -> Iterator[None]:
    """Turn errors of pyiceberg into :class:`RunFailedError`: it has many, and they have no class in common.

    A REST catalog that does not answer is a :class:`NotRunningError`.
    """
    import requests
    from pyiceberg import exceptions

    try:
        yield
    except requests.RequestException as error:
        raise NotRunningError(
            "the catalog does not answer.", why=str(error)[:500], remedy="give the command again when it is up"
        ) from error
    except Exception as error:
        if type(error).__module__ != exceptions.__name__:
            raise
        raise RunFailedError(
            "the catalog or a table is not what it was a moment ago, or the catalog refused.",
            why=f"{type(error).__name__}: {error}",
            remedy="give the command again",
        ) from error
