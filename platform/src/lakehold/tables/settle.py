"""Transactions whose end is found out: when the answer to a COMMIT is lost, the ledger tells what it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

import psycopg

from lakehold.config.platform import Platform
from lakehold.errors import LakeholdError, NotRunningError
from lakehold.tables import guard, ledger
from lakehold.tables.ledger import Entry

_PATIENCE = 60.0
"""Seconds to find out what became of a commit whose answer was lost."""


def settled(
    platform: Platform, schemas: Collection[str], entry: Entry, attempt: Callable[[], Entry], nothing: str
) -> Entry:
    """Make the attempt, which records the entry; when the answer to its commit was lost, find out what it was.

    ``nothing`` says what did not happen when the commit did not arrive.
    """
    try:
        return attempt()
    except psycopg.errors.LockNotAvailable:
        raise  # an answer like any other: the transaction is over
    except psycopg.OperationalError as error:
        if committed := _committed(platform, schemas, entry):
            return committed
        raise NotRunningError(
            f"the catalog's database did not finish the transaction; {nothing}.",
            why=str(error).strip(),
            remedy=f"lakehold status postgres, then {entry.kind} again",
        ) from error


def _committed(platform: Platform, schemas: Collection[str], entry: Entry) -> Entry | None:
    """Look into the ledger as soon as PostgreSQL answers and the lost transaction is over, whichever way."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with ledger.connect(platform) as connection, connection.transaction():
                # The lost transaction has these until its end.
                if guard.claim(connection, schemas, wait=_PATIENCE):
                    changes = ledger.changes(connection, entry)
                    return replace(entry, changes=changes) if ledger.exists(connection, entry.id) else None
        except (NotRunningError, psycopg.OperationalError):
            time.sleep(0.5)
        if time.monotonic() > deadline:
            raise LakeholdError(
                f'what became of the {entry.kind} of run "{entry.run}" is not known.',
                why="the catalog's database has not answered since",
                remedy=f"{entry.kind} again: it finds out, and does nothing if it was done",
            )
